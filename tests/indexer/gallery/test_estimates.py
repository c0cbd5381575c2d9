"""What `index plan` expects of a gallery agrees with what was measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partlens.indexer.gallery.estimates import Plan, plan
from partlens.indexer.gallery.plan import INDEXED_ROWS, IndexChoice

WIDTHS = st.tuples(st.integers(1, 256), st.sampled_from([16, 64, 128, 320]))


def planned(images: int, positions: int = 32, dimensions: int = 128) -> Plan:
    return plan(images, positions, dimensions, IndexChoice())


@pytest.mark.parametrize(("images", "milliseconds"), [(100_000, 4.26), (1_000_000, 10.65)])
def test_searches_take_what_was_measured(images: int, milliseconds: float) -> None:
    """docs/results.md: 4.26 ms on an idle machine, and 2.5 times as long."""
    assert planned(images).search_ms == pytest.approx(milliseconds, rel=0.2)


@pytest.mark.parametrize(("images", "seconds"), [(65_536, 12.3), (100_000, 17.7)])
def test_indexes_take_what_was_measured(images: int, seconds: float) -> None:
    assert planned(images).build_seconds == pytest.approx(seconds, rel=0.2)


@given(st.integers(1, 10**7), st.integers(1, 10**7), WIDTHS)
def test_more_images_take_no_less(one: int, other: int, width: tuple[int, int]) -> None:
    few, many = (planned(images, *width) for images in sorted((one, other)))
    assert few.memory_bytes <= many.memory_bytes and few.disk_bytes <= many.disk_bytes
    assert few.build_seconds <= 1.01 * many.build_seconds
    assert (few.recall_at_10 or 0) >= (many.recall_at_10 or 0)


@given(st.integers(10**4, 10**7))
def test_ten_times_the_images_take_less_than_ten_times_as_long(images: int) -> None:
    few, many = planned(images).search_ms, planned(10 * images).search_ms
    assert few < many < 10 * few


def test_a_gallery_without_an_index_builds_none() -> None:
    assert planned(INDEXED_ROWS - 1).build_seconds == 0 < planned(INDEXED_ROWS).build_seconds


def test_a_small_gallery_is_scored_image_by_image() -> None:
    fixed, hundred, thousand = (planned(images).search_ms for images in (1, 101, 1001))
    assert thousand - fixed == pytest.approx(10 * (hundred - fixed))
    halved = plan(3000, 32, 128, IndexChoice(), "int8").search_ms
    assert halved == pytest.approx(fixed + 3 * (thousand - fixed), rel=0.01)
