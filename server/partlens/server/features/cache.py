"""Caches the features of query images, so that another region needs no pass through the model."""

from collections import OrderedDict
from typing import Protocol

from partlens.server.query_images.query import Query


class QueryCache(Protocol):
    """Keeps the features of pictures for later calls."""

    async def find(self, id: str) -> Query | None:
        """The query image with this id, marked as just used; None if it is not kept."""
        ...

    async def keep(self, query: Query) -> None:
        """Keeps a query image, or marks it as just used."""
        ...


class KeptQueries:
    """A QueryCache in this process: the most recently used query images.

    Args:
        capacity: most images kept; beyond it, the least recently used is dropped.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._queries: OrderedDict[str, Query] = OrderedDict()

    def __len__(self) -> int:
        return len(self._queries)

    async def find(self, id: str) -> Query | None:
        """The query image with this id, marked as just used; None if it is not kept."""
        if query := self._queries.get(id):
            self._queries.move_to_end(id)
        return query

    async def keep(self, query: Query) -> None:
        """Keeps a query image, or marks it as just used."""
        self._queries.setdefault(query.id, query)
        self._queries.move_to_end(query.id)
        while len(self._queries) > self._capacity:
            self._queries.popitem(last=False)
