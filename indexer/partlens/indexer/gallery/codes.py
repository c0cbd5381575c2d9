"""A column of texts of which few differ, and which of its rows meet a condition."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partlens.common.filters import Exists, Range, Wanted, read_number
from partlens.common.moments import in_utc, read_moment

Mask = NDArray[np.bool_]
UNKNOWN_TIME = np.iinfo(np.int64).min
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class Codes:
    """A column of few different texts.

    Attributes:
        numbers: of each row's text, -1 where it has none; int32, shape [M].
        texts: number -> text.
    """

    numbers: NDArray[np.int32]
    texts: list[str]

    def are(self, texts: Collection[str]) -> Mask:
        """Which rows have one of these, shape [M]."""
        among = frozenset(texts)
        return self._rows_of(np.array([text in among for text in self.texts], bool))

    def meet(self, wanted: Wanted) -> Mask:
        """Which rows have a text that a filter asks for, shape [M]."""
        match wanted:
            case str():
                return self.are({wanted})
            case Range():
                return self._rows_of(self._within(wanted))
            case Exists():
                return self._rows_of(np.array([bool(text) for text in self.texts], bool))
            case several:
                return self.are(several)

    def _rows_of(self, chosen: Mask) -> Mask:
        """Which rows have a chosen text, shape [M].

        Args:
            chosen: which texts, shape [T].
        """
        return np.isin(self.numbers, np.flatnonzero(chosen))

    def _within(self, bounds: Range) -> Mask:
        """Which texts are numbers or times within bounds, shape [T]."""
        if not bounds.of_times:
            return _between(self._as_numbers, bounds.bounds)
        of_bounds = {
            name: microseconds(at) for name, at in bounds.bounds.items() if isinstance(at, datetime)
        }
        within = _between(self._as_times, of_bounds)
        within &= self._as_times != UNKNOWN_TIME
        return within

    @cached_property
    def _as_numbers(self) -> NDArray[np.float64]:
        """The texts as numbers, NaN where one is none, shape [T]."""
        numbers = (read_number(text) for text in self.texts)
        return np.array([np.nan if one is None else one for one in numbers], np.float64)

    @cached_property
    def _as_times(self) -> NDArray[np.int64]:
        """The texts as microseconds since 1970, UNKNOWN_TIME where one is no time, shape [T]."""
        return np.array([_time(text) for text in self.texts], np.int64)


def microseconds(at: datetime) -> int:
    """Microseconds since 1970."""
    # Unlike a conversion to UTC this holds for any time in any zone.
    return (at - EPOCH) // timedelta(microseconds=1)


def _between(values: NDArray[Any], bounds: dict[str, Any]) -> Mask:
    """Which values are within bounds; NaN compares false with every bound."""
    within = np.ones(len(values), bool)
    for name, bound in bounds.items():
        match name:
            case "gt":
                within &= values > bound
            case "gte":
                within &= values >= bound
            case "lt":
                within &= values < bound
            case _:
                within &= values <= bound
    return within


def _time(text: str) -> int:
    try:
        return microseconds(in_utc(read_moment(text)))
    except ValueError:
        return int(UNKNOWN_TIME)
