"""Filters of every kind choose the rows that a look at each image would choose."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from any_filter import IDS, NOON, filters, metadata, passes
from hypothesis import given, settings
from hypothesis import strategies as st

from partlens.common.filters import Exists, Filter, Range, from_plain, to_plain
from partlens.common.metadata import Metadata
from partlens.indexer.gallery.image_columns import TRUTH_COLUMNS, ImageColumns

images = st.lists(
    st.tuples(st.sampled_from(IDS), metadata), min_size=1, max_size=8, unique_by=lambda one: one[0]
)


def columns(of_images: list[tuple[str, Metadata]]) -> ImageColumns:
    """The columns that a gallery of these images has."""
    count = len(of_images)
    values = {
        "id": [id for id, _ in of_images],
        "revision": range(1, count + 1),
        "uri": [""] * count,
        "media_digest": [f"sha256:{i}" for i in range(count)],
        "width": pa.array([1] * count, pa.int32()),
        "height": pa.array([1] * count, pa.int32()),
        "camera": [one.camera for _, one in of_images],
        "track": [one.track for _, one in of_images],
        "captured_at": pa.array(
            [one.captured_at for _, one in of_images], pa.timestamp("us", tz="UTC")
        ),
        "attributes": [""] * count,
    }
    table = pa.table({name: values[name] for name in TRUTH_COLUMNS})
    return ImageColumns.of_truth(
        table, np.arange(count), [dict(one.attributes) for _, one in of_images]
    )


def chosen(of: ImageColumns, where: Filter) -> list[str]:
    mask = of.accepted(where)
    return of.ids(np.arange(len(of)) if mask is None else np.flatnonzero(mask))


@settings(max_examples=300)
@given(images, st.lists(filters(), min_size=1, max_size=6))
def test_a_filter_passes_what_a_look_at_each_image_passes(
    of_images: list[tuple[str, Metadata]], wheres: list[Filter]
) -> None:
    of = columns(of_images)
    for where in wheres:
        expected = [id for id, one in of_images if passes(where, id, one)]
        assert chosen(of, where) == expected
        opposite = {id for id, _ in of_images} - set(expected)
        if to_plain(where) != to_plain(Filter()):
            assert set(chosen(of, Filter(none_of=[where]))) == opposite
        assert from_plain(to_plain(where)) == from_plain(to_plain(from_plain(to_plain(where))))
        assert chosen(of, from_plain(to_plain(where))) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Range(gte=10), {"ten", "tenth", "huge"}),
        (Range(gt=10), {"huge"}),
        (Range(lt=10), {"minus"}),
        (Range(gte=10, lte=10), {"ten", "tenth"}),
        ("10", {"ten"}),
        (["10", "NaN"], {"ten", "nan"}),
        (Exists(), {"ten", "tenth", "huge", "minus", "nan", "words"}),
        (Range(gte=NOON), set()),
    ],
)
def test_numbers_are_texts_that_read_as_one(wanted: object, expected: set[str]) -> None:
    texts = {
        "ten": "10", "tenth": "1.0e1", "huge": "1e999", "minus": "-.5", "nan": "NaN",
        "words": "12 km/h", "empty": "",
    }  # fmt: skip
    of = columns(
        [(id, Metadata(attributes={"speed": text})) for id, text in texts.items()]
        + [("without", Metadata())]
    )
    where = Filter(attributes={"speed": wanted})  # type: ignore[dict-item]
    assert set(chosen(of, where)) == expected
    assert set(chosen(of, Filter(none_of=[where]))) == {*texts, "without"} - expected


@pytest.mark.parametrize(
    ("bounds", "error", "message"),
    [
        ({}, ValueError, "needs a bound"),
        ({"gt": 1, "gte": 1}, ValueError, "not both"),
        ({"gte": 2, "lt": 2}, ValueError, "no value lies between"),
        ({"gt": 1, "lt": NOON}, TypeError, "numbers or times"),
        ({"gt": float("nan")}, ValueError, "finite"),
        ({"lte": 10**400}, ValueError, "finite"),
        ({"gt": True}, TypeError, "a number or a time"),
        ({"gt": NOON.replace(tzinfo=None)}, ValueError, "time zone"),
        ({"gt": "10"}, TypeError, "a number or a time"),
        ({"gt": NOON + timedelta(1), "lt": NOON}, ValueError, "no value lies between"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(
    bounds: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Range(**bounds)  # type: ignore[arg-type]
