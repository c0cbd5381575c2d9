"""Erases images from a gallery, and deletes or lists the standing queries made from them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from partlens.common.text import visible
from partlens.explainer.parts_on_disk import MODEL_FILE
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.erasure import Receipt, erase_from_open
from partlens.indexer.gallery.snapshot import erase_from
from partlens.indexer.gallery.snapshot_files import Facts
from partlens.indexer.gallery.unfinished import unfinished
from partlens.server.standing.holding import ErasedImages, Holder, holders
from partlens.server.standing.store import LOCK


def erase_images(
    gallery: Gallery,
    ids: Sequence[str],
    folders: Sequence[Path],
    *,
    delete: bool,
    confirmed: Callable[[], Collection[str]] | None = None,
) -> tuple[Receipt, list[Holder]]:
    """Erase images, and find the standing queries that hold something of them.

    Call unfinished.finish once the receipt is kept, if is_complete: until then, a later call still
    knows the pictures that the standing queries are recognised by.

    Args:
        folders: of standing queries.
        delete: delete these standing queries; otherwise only the receipt lists them.
        confirmed: see erase_from_open.

    Returns:
        The receipt, and the standing queries that are left.

    Raises:
        IndexerError: see erase_from_open.
        StandingQueryError: the disk refused to delete a standing query.
    """
    erased = _erased(gallery, ids)
    receipt = erase_from_open(gallery, ids, confirmed)
    # Looked for afterwards: from now on, none can be made from these images.
    found = holders(folders, gallery.spec, erased)
    return _recorded(receipt, found, _deleted(found) if delete else [])


def erase_from_snapshot(
    snapshot: Path, ids: Sequence[str], *, delete: bool
) -> tuple[Receipt, list[Holder]]:
    """The same for a snapshot, with the standing queries in it."""
    facts = Facts.read(snapshot)
    with Gallery.open(snapshot / facts.gallery) as gallery:
        erased, spec = _erased(gallery, ids), gallery.spec
    inside = _standing_folders(snapshot, facts)
    found = holders(inside, spec, erased)
    # Before the images, since erasing them records the checksums of all files again.
    deleted = _deleted(found) if delete else []
    for folder in inside:
        (folder / LOCK).unlink(missing_ok=True)
    return _recorded(erase_from(snapshot, ids), found, deleted)


def is_complete(receipt: Receipt) -> bool:
    """Whether nothing is left of the images: no trace, and no standing query."""
    return receipt.gone and not receipt.standing_queries_left


def described(holder: Holder) -> str:
    """One line about a standing query that is left or deleted."""
    return f"standing query {visible(holder.id)} ({visible(holder.name)}) {holder.reason}"


def _standing_folders(snapshot: Path, facts: Facts) -> list[Path]:
    places = [snapshot / place for place in facts.origins]
    models = {place.parent for place in places if place.name == MODEL_FILE}
    return sorted({place.parent for place in places if place.suffix == ".safetensors"} - models)


def _erased(gallery: Gallery, ids: Sequence[str]) -> ErasedImages:
    """The images to erase, with those of an erasure that was interrupted."""
    view = gallery.view
    begun = {id: digest for id, digest in unfinished(gallery.home).items() if id not in view}
    media = {image.media_digest for image in view.stored(ids).values()} | set(begun.values())
    return ErasedImages(frozenset(ids) | begun.keys(), media - {""})


def _deleted(found: Sequence[Holder]) -> list[Holder]:
    deleted = [one for one in found if one.readable]
    for one in deleted:
        one.store.remove(one.id)
    return deleted


def _recorded(
    receipt: Receipt, found: Sequence[Holder], deleted: Sequence[Holder]
) -> tuple[Receipt, list[Holder]]:
    left = [one for one in found if one not in deleted]
    return replace(
        receipt,
        standing_queries_left=tuple(one.id for one in left),
        standing_queries_deleted=tuple(one.id for one in deleted),
    ), left
