"""What a gallery's truth holds, to compare galleries that were filled in different ways."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from partlens.indexer.gallery import Gallery

_OWN = ("revision", "_rowid")


def rows(gallery: Gallery, without: Collection[str] = ()) -> Mapping[str, Mapping[str, Any]]:
    """Each column of each image but those that tell commits apart, by id."""
    version = gallery.view.version
    table = version.read(version.dataset.schema.names)
    assert len(set(table["id"].to_pylist())) == len(table) == len(gallery.view)
    kept = table.drop_columns([*_OWN, *without])
    return {row["id"]: row for row in kept.to_pylist()}


def require_same(one: Gallery, other: Gallery, without: Collection[str] = ()) -> None:
    """Two galleries hold the same rows, to the last bit."""
    of_one, of_other = rows(one, without), rows(other, without)
    assert of_one.keys() == of_other.keys()
    for id, row in of_one.items():
        for name, value in row.items():
            if isinstance(value, list):
                np.testing.assert_array_equal(value, of_other[id][name], f"{name} of {id}")
            else:
                assert value == of_other[id][name], (name, id)
