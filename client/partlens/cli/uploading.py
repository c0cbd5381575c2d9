"""Uploads pictures of folders and manifests to a server, and only those that it lacks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from partlens.client.answers import GalleryImage
from partlens.client.errors import AccessError, ServerError
from partlens.client.questions import Upload
from partlens.client.sync_client import Client
from partlens.common.filters import Filter
from partlens.common.ids import IdError, require_id
from partlens.common.media_digest import media_digest
from partlens.common.metadata import Metadata, require_metadata

if TYPE_CHECKING:
    from partlens.indexer.sources import SourceImage

_AT_ONCE = 100
"""Ids in one question of what the server has."""


@dataclass(frozen=True)
class Found:
    """Images to upload, and everything else that was there, in one line."""

    images: Sequence["SourceImage"]
    ignored: str


@dataclass(frozen=True)
class Skipped:
    """An image that was not added, and why."""

    id: str
    reason: str


@dataclass
class Done:
    """What an upload has done so far."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of images."""
        return self.added + self.replaced + self.unchanged + len(self.skipped)

    def __str__(self) -> str:
        return (
            f"{self.added} added, {self.replaced} replaced, {self.unchanged} unchanged,"
            f" {len(self.skipped)} skipped"
        )


def listed(sources: Sequence[Path], id: str | None = None) -> Found:
    """The images of picture files, folders and manifests, in this order.

    Args:
        id: id of the picture, if there is only one.

    Raises:
        click.ClickException: a source cannot be read, or an id comes twice.
    """
    from partlens.indexer.errors import SourceError
    from partlens.indexer.sources import read_source

    images: list[SourceImage] = []
    ignored: list[str] = []
    for source in sources:
        if _is_picture(source):
            images.append(_picture(source, id))
            continue
        try:
            listing = read_source(source)
        except SourceError as error:
            raise click.ClickException(str(error)) from error
        images += listing.images
        ignored += filter(None, [listing.not_looked_at])
    if id is not None and not (len(sources) == 1 and _is_picture(sources[0])):
        raise click.UsageError("--id is for one picture; a manifest gives ids to several")
    _require_distinct(images)
    return Found(images, "; ".join(ignored))


class Uploading:
    """Sends images to a server.

    Args:
        given: metadata of images whose source does not say otherwise.

    Attributes:
        done: what is done so far.
        notes: what else to say of it.
    """

    def __init__(self, client: Client, images: Sequence["SourceImage"], given: Metadata) -> None:
        self._client, self._images, self._given = client, images, given
        self.done = Done()
        self.notes: list[str] = []

    def run(self) -> Iterator[None]:
        """Send the images; yields after each answer.

        Raises:
            ClientError: the call failed; images without an answer may or may not be added.
        """
        for answer in self._client.upsert_stream(self._uploads()):
            if not answer.committed:
                self.done.skipped.append(Skipped(answer.id, answer.message or answer.reason))
            elif answer.replaced:
                self.done.replaced += 1
            else:
                self.done.added += 1
            yield

    def _uploads(self) -> Iterator[Upload]:
        """The images that the server lacks; gRPC asks for them on a thread of its own."""
        for start in range(0, len(self._images), _AT_ONCE):
            several = self._images[start : start + _AT_ONCE]
            held = self._held([one.id for one in several])
            for one in several:
                try:
                    upload = self._upload(one, held.get(one.id))
                except (OSError, ValueError) as error:  # an unreadable file, an id or metadata
                    reason = getattr(error, "strerror", None) or str(error)
                    self.done.skipped.append(Skipped(one.id, reason))
                    continue
                if upload is None:
                    self.done.unchanged += 1
                else:
                    yield upload

    def _upload(self, image: "SourceImage", held: GalleryImage | None) -> Upload | None:
        """None if the server has the image unchanged."""
        data, said = image.read(), image.metadata
        metadata = Metadata(
            said.camera or self._given.camera,
            said.track or self._given.track,
            said.captured_at or self._given.captured_at,
            {**self._given.attributes, **said.attributes},
        )
        if held is not None:
            metadata = image.stated.over(metadata, held.metadata)
        require_metadata(metadata, image.uri)
        same = held is not None and (held.metadata, held.uri) == (metadata, image.uri)
        if same and held is not None and held.media_digest == media_digest(data):
            return None
        return Upload(image.id, data, image.uri, metadata)

    def _held(self, ids: Sequence[str]) -> dict[str, GalleryImage]:
        if self.notes:  # it was refused before
            return {}
        try:
            return {one.id: one for one in self._client.list_images(where=Filter(ids=ids))}
        except (AccessError, ServerError) as error:
            self.notes.append(
                f"note: every image was sent, as the server does not say which it has: {error}"
            )
            return {}


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() not in (".csv", ".parquet") and not path.is_dir()


def _picture(path: Path, id: str | None) -> "SourceImage":
    from partlens.indexer.places import id_below
    from partlens.indexer.sources import ImageFile

    if not path.exists():
        raise click.ClickException(f"{path}: no such file or folder") from FileNotFoundError()
    name = id_below(path.parent, path.name) if id is None else id
    try:
        require_id(name)
    except IdError as error:
        raise click.BadParameter(f"{path}: {error}; give another with --id") from error
    return ImageFile(name, path, Metadata())


def _require_distinct(images: Sequence["SourceImage"]) -> None:
    seen: dict[str, str] = {}
    for one in images:
        if one.id in seen:
            raise click.UsageError(
                f"{seen[one.id]} and {one.uri} both have the id {one.id!r}; add one of them, or"
                " name them in a manifest"
            )
        seen[one.id] = one.uri
