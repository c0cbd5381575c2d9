"""Filters that could mean something else than they say cannot be made."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from partlens.common.filters import NESTED, SEVERAL, Filter, Range

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("name", [*SEVERAL, *NESTED])
@pytest.mark.parametrize("make", [iter, lambda values: (one for one in values)])
def test_values_that_can_be_read_only_once_are_refused(
    name: str, make: Callable[[list[object]], object]
) -> None:
    """A second page would have no filter at all."""
    values: list[object] = [Filter(cameras=["a"])] if name in NESTED else ["a"]
    with pytest.raises(TypeError, match=f"{name} is a .*; give a list"):
        Filter(**{name: make(values)})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="hat"):
        Filter(attributes={"hat": make(["red"])})  # type: ignore[dict-item]


def test_times_of_the_hour_that_comes_twice_are_told_apart() -> None:
    first = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
    second = first.replace(fold=1)
    assert second.astimezone(UTC) - first.astimezone(UTC) == timedelta(hours=1)
    assert Range(gte=first, lt=second).bounds == {"gte": first, "lt": second}
    for given in ({"gte": second, "lte": first}, {"gt": second, "lt": first}):
        with pytest.raises(ValueError, match="no value lies between"):
            Range(**given)
    late, early = datetime.max.replace(tzinfo=BERLIN), datetime.min.replace(tzinfo=BERLIN)
    assert Range(gt=early, lt=late)
