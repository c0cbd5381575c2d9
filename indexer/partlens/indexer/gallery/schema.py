"""The columns of the truth, and images to rows and back."""

import json
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from partlens.explainer.halves import to_half, to_single
from partlens.explainer.spec import ModelSpec
from partlens.indexer.gallery.records import FloatArray, NewImage

# Without the key, two writers that upsert the same new id would both insert it.
_KEY = {b"lance-schema:unenforced-primary-key": b"true"}


def schema(spec: ModelSpec) -> pa.Schema:
    """One row per image. `revision` tells a replaced image from the one before."""
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
            pa.field("contributions", pa.list_(pa.float16(), spec.positions * spec.dimensions)),
            pa.field("thumbnail", pa.binary()),
        ]
    )


def to_table(images: Sequence[NewImage], revision: int, spec: ModelSpec) -> pa.Table:
    """Rows of new images, all of one revision."""
    bias = np.stack([image.bias for image in images]).astype(np.float32)
    contributions = to_half(np.stack([image.contributions for image in images]))
    # Of what is stored, so that every score is one of the stored contributions.
    embedding = to_single(contributions).sum(1) + bias
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
        "contributions": _fixed(contributions.reshape(len(images), -1)),
        "thumbnail": [image.thumbnail for image in images],
    }
    return pa.table(columns, schema=schema(spec))


def _fixed(rows: NDArray[np.floating]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])


def arrays(table: pa.Table, spec: ModelSpec) -> tuple[NDArray[np.float16], FloatArray]:
    """Contributions [M, P, D] as stored and bias [M, D] of a table's rows."""
    contributions = _flat(table["contributions"]).reshape(-1, spec.positions, spec.dimensions)
    return contributions, _flat(table["bias"]).reshape(-1, spec.dimensions)


def embeddings(table: pa.Table, spec: ModelSpec) -> FloatArray:
    """The embeddings as stored, [M, D]."""
    return np.asarray(_flat(table["embedding"]).reshape(-1, spec.dimensions), np.float32)


def _flat(column: pa.ChunkedArray) -> NDArray[np.floating]:
    chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(chunks) if chunks else np.zeros(0, np.float32)


def rows(table: pa.Table) -> Iterator[dict[str, object]]:
    """A table's rows, one mapping each."""
    for batch in table.to_batches():
        yield from batch.to_pylist()
