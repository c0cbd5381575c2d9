"""Caches the features of query images, so that another region needs no pass through the model, and
their pictures, so that they can be shown again."""

import sys
from copy import copy
from typing import Protocol

from partlens.server.features.recent import Recent
from partlens.server.query_images.query import Query


class QueryCache(Protocol):
    """Keeps the features of pictures for later calls."""

    async def find(self, id: str) -> Query | None:
        """The query image with this id, marked as just used; None if it is not kept."""
        ...

    async def keep(self, query: Query) -> None:
        """Keeps a query image, or marks it as just used."""
        ...


class PictureCache(Protocol):
    """Keeps encoded pictures for later calls, by query id."""

    async def find(self, id: str) -> bytes | None:
        """The picture of a query id, marked as just used; None if it is not kept."""
        ...

    async def keep(self, id: str, picture: bytes) -> None:
        """Keeps a picture, or marks it as just used."""
        ...


class KeptQueries:
    """A QueryCache in this process: the most recently used query images.

    Args:
        capacity, most_bytes: most images kept, and most bytes of their features.
    """

    def __init__(self, capacity: int, most_bytes: int) -> None:
        self._queries = Recent[Query](capacity, most_bytes, _bytes_of)
        self._model = ""

    def of(self, model_digest: str) -> "KeptQueries":
        """Those of one model: it finds no query image of another one, and shares the bounds."""
        those = copy(self)
        those._model = f"{model_digest} "
        return those

    def __len__(self) -> int:
        return len(self._queries)

    def require_room(self, most_bytes: int) -> None:
        """Raise the bound in bytes to at least this, for models with large features."""
        self._queries.require_room(most_bytes)

    async def find(self, id: str) -> Query | None:
        """The query image with this id, marked as just used; None if it is not kept."""
        return self._queries.find(self._model + id)

    async def keep(self, query: Query) -> None:
        """Keeps a query image, or marks it as just used."""
        self._queries.keep(self._model + query.id, query)


class KeptPictures:
    """A PictureCache in this process: the most recently used pictures.

    Args:
        most_bytes: most bytes of all pictures together; a larger picture is not kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self._pictures = Recent[bytes](sys.maxsize, most_bytes, len)
        self._model = ""

    def of(self, model_digest: str) -> "KeptPictures":
        """Those of the query ids of one model; they share the bound."""
        those = copy(self)
        those._model = f"{model_digest} "
        return those

    def __len__(self) -> int:
        return len(self._pictures)

    @property
    def total(self) -> int:
        """Bytes of all pictures together."""
        return self._pictures.total

    async def find(self, id: str) -> bytes | None:
        """The picture of a query id, marked as just used; None if it is not kept."""
        return self._pictures.find(self._model + id)

    async def keep(self, id: str, picture: bytes) -> None:
        """Keeps a picture, or marks it as just used."""
        self._pictures.keep(self._model + id, picture)


def _bytes_of(query: Query) -> int:
    return int(query.contributions.nbytes + query.bias.nbytes)
