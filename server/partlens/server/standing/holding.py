"""Finds the standing queries that hold something of erased images."""

from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from partlens.common.filters import every
from partlens.explainer.spec import ModelSpec
from partlens.indexer.gallery.home.locate import folder_of as folder_of_gallery
from partlens.runtime.config.settings import Settings
from partlens.server.errors import UnknownQueryError
from partlens.server.query_images.query_id import image_of, query_id
from partlens.server.standing.query import StandingQuery
from partlens.server.standing.standing import beside, folder_of
from partlens.server.standing.store import StandingStore


@dataclass(frozen=True)
class Holder:
    """A standing query that holds something of an erased image.

    Attributes:
        reason: what it holds, or why that is not known.
        readable: whether it could be read. If not, it is never deleted: a later version may have
            saved it.
    """

    id: str
    name: str
    store: StandingStore
    reason: str
    readable: bool


@dataclass(frozen=True)
class ErasedImages:
    """What standing queries are searched for.

    Attributes:
        media: media digests, as far as they are known.
    """

    ids: Collection[str]
    media: Collection[str]


def holders(folders: Iterable[Path], spec: ModelSpec, erased: ErasedImages) -> list[Holder]:
    """The standing queries of any model that are made from erased images, or name one.

    Those that cannot be read are among them.
    """
    known = [bytes.fromhex(one.removeprefix("sha256:")) for one in erased.media if _is_hex(one)]

    @cache
    def pictures(model_digest: str) -> Set[str]:
        """Ids of the erased pictures as query images of a model."""
        return {query_id(model_digest, "data", digest) for digest in known}

    found = []
    for folder in folders:
        store = StandingStore(folder, spec)
        for id, query in store.every():
            reason = (
                "cannot be read, and may hold something of an erased image"
                if query is None
                else _reason(query, erased, pictures(query.model_digest))
            )
            if reason:
                name = query.name if query else ""
                found.append(Holder(id, name, store, reason, readable=query is not None))
    return found


def folders(gallery: Path, settings: Settings) -> Sequence[Path]:
    """Folders of standing queries that may hold images of a gallery.

    A query id works in every gallery of its model, so each gallery of the server counts.
    """
    served = (folder_of_gallery(one.path) for one in settings.server.galleries.values())
    others = (beside(folder.resolve()) for folder in served)
    return tuple(dict.fromkeys([folder_of(gallery.resolve(), settings), *others]))


def _reason(query: StandingQuery, erased: ErasedImages, pictures: Set[str]) -> str:
    for image in query.search.images:
        if image.id in pictures or _stored_image(image.id) in erased.ids:
            return "is made from an erased image"
    for _, where in every(query.where):
        if set(where.ids) & set(erased.ids) or set(where.exclude_media) & set(erased.media):
            return "names an erased image in its filter"
    return ""


def _is_hex(media_digest: str) -> bool:
    try:
        bytes.fromhex(media_digest.removeprefix("sha256:"))
    except ValueError:
        return False
    return True


def _stored_image(id: str) -> str | None:
    try:
        return image_of(id)
    except UnknownQueryError:
        return None
