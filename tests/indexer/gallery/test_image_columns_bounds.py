"""A segment's list of images finds many ids as it finds one, and remembers a bounded number of
names."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from partlens.common.filters import Filter
from partlens.indexer.gallery.image_columns import ATTRIBUTES_KEPT, SCHEMA, ImageColumns

NAMES = st.text("ab/\u00e4\U0001f600\ud800", max_size=3)


def catalogue(ids: list[str]) -> ImageColumns:
    """Of images with these ids, in this order."""
    count = len(ids)
    plain = {
        "id": ids, "revision": [1] * count, "row_id": list(range(count)), "uri": [""] * count,
        "media_digest": [""] * count, "width": [1] * count, "height": [1] * count,
        "camera": [""] * count, "track": [""] * count, "captured_at": [None] * count,
        "attributes": [[("name", id)] for id in ids],
    }  # fmt: skip
    return ImageColumns(pa.table(plain, schema=SCHEMA))


@given(
    st.lists(st.text("ab/\u00e4\U0001f600", max_size=3), min_size=1, max_size=30),
    st.lists(NAMES, max_size=30),
)
def test_many_ids_are_found_as_each_by_itself(there: list[str], asked: list[str]) -> None:
    of = catalogue(there)
    wanted = {(id, row) for id in asked for row, name in enumerate(there) if name == id}
    assert set(of.find(asked)) == wanted
    assert set(of._found_by_scan(list(dict.fromkeys(asked)))) == wanted
    excluded = of.accepted(Filter(exclude_ids=asked))
    if asked:
        assert excluded is not None and excluded.tolist() == [id not in asked for id in there]


def test_names_of_attributes_that_callers_ask_for_are_not_kept() -> None:
    of = catalogue([f"{n}" for n in range(100)])
    for n in range(50 * ATTRIBUTES_KEPT):
        mask = of.accepted(Filter(attributes={f"unknown {n}": "", "name": "7"}))
        assert mask is not None and not mask.any()
    assert len(of._attributes) <= ATTRIBUTES_KEPT and len(of._codes) <= 2
    mask = of.accepted(Filter(attributes={"name": "7"}))
    assert mask is not None and np.flatnonzero(mask).tolist() == [7]
