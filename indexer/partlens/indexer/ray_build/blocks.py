"""The images of a source in blocks, each a row of a Ray data set."""

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from partlens.common.bucket_address import in_bucket
from partlens.common.metadata import Metadata
from partlens.indexer.extracting.messages import metadata_of, metadata_text
from partlens.indexer.extraction import each_once, without_id
from partlens.indexer.gallery.holdings import Holdings
from partlens.indexer.gallery.image_columns import ImageColumns
from partlens.indexer.places import path_of
from partlens.indexer.sources import (
    ImageFile,
    MissingImage,
    ObjectImage,
    SourceImage,
)
from partlens.indexer.stated import Stated

BLOCK = 1024
"""Images of a block: what a worker has in memory, what one commit adds, and what is done again if a
worker ends."""
_IMAGES = pa.schema(
    [
        ("id", pa.string()),
        ("uri", pa.string()),
        ("metadata", pa.string()),
        ("stated", pa.string()),
        ("reason", pa.string()),  # of a MissingImage
    ]
)


@dataclass(frozen=True, eq=False)
class Block:
    """Images that one worker extracts and one commit adds.

    Attributes:
        first: number of its first image in the source.
        images: with the ids that the gallery is to know them by.
        held: what the gallery holds of them.
    """

    first: int
    images: Sequence[SourceImage]
    held: Holdings

    def row(self) -> dict[str, Any]:
        """The block as a row that Ray can carry; see of."""
        rows = pa.Table.from_pylist([_plain(image) for image in self.images], _IMAGES)
        return {"first": self.first, "images": _bytes(rows), "held": _bytes(self.held.table)}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Block":
        """The block of a row."""
        images = [_image(one) for one in _table(row["images"]).to_pylist()]
        return cls(int(row["first"]), images, Holdings(ImageColumns(_table(row["held"]))))

    def singly(self) -> Iterator["Block"]:
        """The same images, each a block of its own."""
        for number, image in enumerate(self.images):
            yield Block(self.first + number, [image], self.held.some([image.id]))


def blocks(source: Iterable[SourceImage], held: Holdings, size: int) -> Iterator[Block]:
    """The images of a source in blocks of `size`, in order."""
    first, images = 0, (_named(image, id) for image, id in each_once(source, held))
    while some := list(islice(images, size)):
        yield Block(first, some, held.some([image.id for image in some]))
        first += len(some)


def _named(image: SourceImage, id: str | None) -> SourceImage:
    """An image under the id that the gallery is to know it by."""
    if id is None:
        bad = without_id(image)
        return MissingImage(bad.id, image.uri, Metadata(), bad.reason)
    if isinstance(image, MissingImage):
        return image
    return _found(id, image.uri, image.metadata, image.stated)


def _found(id: str, uri: str, metadata: Metadata, stated: Stated) -> SourceImage:
    if in_bucket(uri):
        return ObjectImage(id, uri, metadata, stated)
    path = path_of(uri)
    if path is None:
        return MissingImage(id, uri, metadata, f"{uri!r} is neither a file nor an object")
    return ImageFile(id, Path(path), metadata, stated)


def _plain(image: SourceImage) -> dict[str, str]:
    return {
        "id": image.id,
        "uri": image.uri,
        "metadata": metadata_text(image.metadata),
        "stated": json.dumps({**vars(image.stated), "attributes": sorted(image.stated.attributes)}),
        "reason": image.reason if isinstance(image, MissingImage) else "",
    }


def _image(row: Mapping[str, str]) -> SourceImage:
    if row["reason"]:
        return MissingImage(row["id"], row["uri"], Metadata(), row["reason"])
    plain = json.loads(row["stated"])
    stated = Stated(**{**plain, "attributes": frozenset(plain["attributes"])})
    return _found(row["id"], row["uri"], metadata_of(row["metadata"]), stated)


def _bytes(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    return out.getvalue()


def _table(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()
