"""The columns of the truth, and images to rows and back."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from partlens.common.storage import Storage
from partlens.explainer.stored import Stored
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.records import FloatArray, NewImage
from partlens.indexer.gallery.times import readable

# Without the key, two writers that upsert the same new id would both insert it.
_KEY = {b"lance-schema:unenforced-primary-key": b"true"}
_IN_CACHE = 8
"""Images that are rounded to the storage type together."""


def schema(bound: GallerySpec) -> pa.Schema:
    """One row per image. `revision` tells a replaced image from the one before."""
    spec = bound.spec
    number = pa.int8() if bound.storage == "int8" else pa.float16()
    scales = [pa.field("scales", pa.list_(pa.float32(), spec.positions))]
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False, metadata=_KEY),
            pa.field("revision", pa.int64(), nullable=False),
            pa.field("uri", pa.string()),
            pa.field("media_digest", pa.string()),
            pa.field("width", pa.int32()),
            pa.field("height", pa.int32()),
            pa.field("camera", pa.string()),
            pa.field("track", pa.string()),
            pa.field("captured_at", pa.timestamp("us", tz="UTC")),
            pa.field("attributes", pa.string()),
            pa.field("embedding", pa.list_(pa.float32(), spec.dimensions)),
            pa.field("bias", pa.list_(pa.float32(), spec.dimensions)),
            pa.field("contributions", pa.list_(number, spec.positions * spec.dimensions)),
            *(scales if bound.storage == "int8" else ()),
            pa.field("thumbnail", pa.binary()),
        ]
    )


def array_columns(bound: GallerySpec) -> tuple[str, ...]:
    """Those that `arrays` needs."""
    return ("bias", "contributions", *(("scales",) if bound.storage == "int8" else ()))


@dataclass(frozen=True, eq=False)
class Packed:
    """Rows for the truth, and the parts of them that a segment holds too.

    Attributes:
        table: of the schema.
        attributes: of its rows, which the table holds as JSON.
        contributions: of its rows, [M, P, D].
        bias: of its rows, [M, D].
    """

    table: pa.Table
    attributes: Sequence[Mapping[str, str]]
    contributions: Stored
    bias: FloatArray


def packed(images: Sequence[NewImage], revision: int, bound: GallerySpec) -> Packed:
    """Rows of new images, all of one revision."""
    bias = np.stack([image.bias for image in images]).astype(np.float32)
    kept, sums = _kept([image.contributions for image in images], bound.storage)
    embedding = sums + bias
    columns: dict[str, object] = {
        "id": [image.id for image in images],
        "revision": [revision] * len(images),
        "uri": [image.uri for image in images],
        "media_digest": [image.media_digest for image in images],
        "width": [image.width for image in images],
        "height": [image.height for image in images],
        "camera": [image.metadata.camera for image in images],
        "track": [image.metadata.track for image in images],
        "captured_at": [image.metadata.captured_at for image in images],
        "attributes": [json.dumps(dict(image.metadata.attributes)) for image in images],
        "embedding": _fixed(embedding),
        "bias": _fixed(bias),
        "contributions": _fixed(kept.values[:].reshape(len(images), -1)),
        "thumbnail": [image.thumbnail for image in images],
    }
    if kept.scales is not None:
        columns["scales"] = _fixed(kept.scales[:])
    attributes = [image.metadata.attributes for image in images]
    return Packed(pa.table(columns, schema=schema(bound)), attributes, kept, bias)


def _kept(contributions: Sequence[FloatArray], storage: Storage) -> tuple[Stored, FloatArray]:
    """Contributions as they are stored, [M, P, D], and their sums over the positions, [M, D].

    The sums are those of what is stored, so that every score is one of stored contributions.
    """
    parts, sums = list[Stored](), list[FloatArray]()
    # A few images at a time, so that what one step makes is still in the cache for the next.
    for start in range(0, len(contributions), _IN_CACHE):
        some = contributions[start : start + _IN_CACHE]
        parts.append(Stored.of(np.stack(some).astype(np.float32, copy=False), storage))
        sums.append(parts[-1][:].sum(1))
    values = np.concatenate([part.values[:] for part in parts])
    scales = [part.scales[:] for part in parts if part.scales is not None]
    return Stored(values, np.concatenate(scales) if scales else None), np.concatenate(sums)


def _fixed(rows: NDArray[np.floating] | NDArray[np.int8]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])


def arrays(table: pa.Table, bound: GallerySpec) -> tuple[Stored, FloatArray]:
    """Contributions [M, P, D] as stored and bias [M, D] of a table's rows."""
    spec = bound.spec
    values = _flat(table["contributions"]).reshape(-1, spec.positions, spec.dimensions)
    int8 = bound.storage == "int8"
    scales = _flat(table["scales"]).reshape(-1, spec.positions) if int8 else None
    return Stored(values, scales), _flat(table["bias"]).reshape(-1, spec.dimensions)


def embeddings(table: pa.Table, bound: GallerySpec) -> FloatArray:
    """The embeddings as stored, [M, D]."""
    return np.asarray(_flat(table["embedding"]).reshape(-1, bound.spec.dimensions), np.float32)


def _flat(column: pa.ChunkedArray) -> NDArray[Any]:
    chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(chunks) if chunks else np.zeros(0, np.float32)


def rows(table: pa.Table) -> Iterator[dict[str, object]]:
    """A table's rows, one mapping each; a time of capture that is out of range is unknown."""
    for batch in readable(table).to_batches():
        yield from batch.to_pylist()
