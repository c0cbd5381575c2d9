"""Rows whose metadata changes while their picture, contributions and thumbnail stay."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from partlens.indexer.errors import DamagedError
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.records import Correction, StoredImage
from partlens.indexer.gallery.rows_version import RowsVersion
from partlens.indexer.gallery.schema import Packed, arrays, schema


def corrected(
    version: RowsVersion,
    row_ids: list[int],
    corrections: Mapping[str, Correction],
    revision: int,
    bound: GallerySpec,
) -> Packed:
    """Rows of the truth as they are, but for what is corrected and their revision.

    Args:
        row_ids: of the rows, one of each correction.
        corrections: by id.

    Raises:
        DamagedError: the rows cannot be read.
    """
    plan = schema(bound)
    table = version.read(plan.names, row_ids).select(plan.names)
    ids = table["id"].to_pylist()
    if set(ids) != set(corrections):
        raise DamagedError("the gallery's list of images names some that its rows do not hold")
    mine = [corrections[id] for id in ids]
    changed: dict[str, NDArray[np.int64] | list[object]] = {
        "revision": np.full(len(ids), revision, np.int64),
        "uri": [one.uri for one in mine],
        "camera": [one.metadata.camera for one in mine],
        "track": [one.metadata.track for one in mine],
        "captured_at": [one.metadata.captured_at for one in mine],
        "attributes": [json.dumps(dict(one.metadata.attributes)) for one in mine],
    }
    columns = {
        name: pa.array(changed[name], plan.field(name).type) if name in changed else table[name]
        for name in plan.names
    }
    attributes = [one.metadata.attributes for one in mine]
    return Packed(pa.table(columns, schema=plan), attributes, *arrays(table, bound))


def same_pictures(
    corrections: Sequence[Correction], there: Mapping[str, StoredImage]
) -> dict[str, StoredImage]:
    """The images that are there and still have the picture that a correction is about, by id."""
    return {
        one.id: there[one.id]
        for one in corrections
        if one.id in there and there[one.id].media_digest == one.media_digest
    }
