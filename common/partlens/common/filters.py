"""Filters on images, and how results are grouped."""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

DEEPEST = 8
"""Maximum number of filters inside each other, counting the outermost."""
BOUNDS = ("gt", "gte", "lt", "lte")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Range:
    """Bounds on a number or a time.

    Attributes:
        gt, gte: the value is greater than this, or at least this.
        lt, lte: the value is less than this, or at most this.

    Raises:
        TypeError: a bound is neither a number nor a time, or there are both.
        ValueError: there is no bound, two on one side, or no value can lie between them; or a
            number is not finite, or a time has no zone.
    """

    gt: float | datetime | None = None
    gte: float | datetime | None = None
    lt: float | datetime | None = None
    lte: float | datetime | None = None

    def __post_init__(self) -> None:
        given = self.bounds
        for name, bound in given.items():
            _require_bound(name, bound)
        if not given:
            raise ValueError("a range needs a bound: gt, gte, lt or lte")
        if len({isinstance(bound, datetime) for bound in given.values()}) > 1:
            raise TypeError("a range has bounds of one kind; give numbers or times, not both")
        for one, other in (("gt", "gte"), ("lt", "lte")):
            if one in given and other in given:
                raise ValueError(f"a range has {one} or {other}, not both")
        self._require_room()

    @property
    def bounds(self) -> dict[str, float | datetime]:
        """The bounds that are given, by name."""
        found = {name: getattr(self, name) for name in BOUNDS}
        return {name: bound for name, bound in found.items() if bound is not None}

    @property
    def of_times(self) -> bool:
        """Whether the bounds are times; otherwise they are numbers."""
        return isinstance(next(iter(self.bounds.values())), datetime)

    def _require_room(self) -> None:
        low = self.gt if self.gte is None else self.gte
        high = self.lt if self.lte is None else self.lte
        if low is None or high is None:
            return
        closed = self.gte is not None and self.lte is not None
        first, last = _comparable(low), _comparable(high)
        if first > last or (first == last and not closed):
            raise ValueError(f"no value lies between {low} and {high}; swap or widen the bounds")


@dataclass(frozen=True)
class Exists:
    """The attribute has a value, whichever; an empty text is none."""


Wanted = str | Collection[str] | Range | Exists
"""What a filter asks of an attribute: this text, any of these texts, a number or a time within
bounds, or any value."""


@dataclass(frozen=True)
class Filter:
    """Conditions, all of which an image must meet; an empty filter lets every image pass.

    Attributes:
        cameras, tracks: any of these; "" means unknown.
        captured_after: at this time or later; an image of unknown time does not pass.
        captured_before: before this time; an image of unknown time does not pass.
        attributes: by name, what each must be; see Wanted. An attribute without a value is in no
            range.
        exclude_ids: none of these.
        exclude_cameras: none of these; an image of an unknown camera passes.
        exclude_media: no image with one of these media digests.
        ids: any of these images.
        all_of: the image passes all of these filters.
        any_of: the image passes at least one of these filters.
        none_of: the image passes none of these filters.

    Raises:
        TypeError: values come from an iterator, which could be read only once.
    """

    cameras: Collection[str] = ()
    tracks: Collection[str] = ()
    captured_after: datetime | None = None
    captured_before: datetime | None = None
    attributes: Mapping[str, Wanted] = field(default_factory=dict)
    exclude_ids: Collection[str] = ()
    exclude_cameras: Collection[str] = ()
    exclude_media: Collection[str] = ()
    ids: Collection[str] = ()
    all_of: Collection["Filter"] = ()
    any_of: Collection["Filter"] = ()
    none_of: Collection["Filter"] = ()

    def __post_init__(self) -> None:
        given: dict[str, object] = {name: getattr(self, name) for name in (*SEVERAL, *NESTED)}
        if isinstance(self.attributes, Mapping):
            given |= {f"attributes[{name!r}]": one for name, one in self.attributes.items()}
        for name, value in given.items():
            if isinstance(value, Iterator):
                raise TypeError(
                    f"{name} is a {type(value).__name__}, which can be read only once; give a list"
                )


SEVERAL = ("cameras", "tracks", "exclude_ids", "exclude_cameras", "exclude_media", "ids")
"""The conditions that take several texts."""
TIMES = ("captured_after", "captured_before")
NESTED = ("all_of", "any_of", "none_of")
"""The conditions that take several filters."""


def read_number(text: str) -> float | None:
    """The number that a text is, as a range compares it; None if it is none.

    >>> read_number("1.5e2"), read_number("NaN"), read_number("12 km"), read_number("1_0")
    (150.0, None, None, None)
    """
    return float(text) if _NUMBER.fullmatch(text) else None


def depth_of(where: Filter) -> int:
    """Number of filters inside each other, counting the filter itself."""
    return 1 + max((depth_of(one) for _, one in nested(where)), default=0)


def is_empty(where: Filter) -> bool:
    """Whether a filter has no condition, so that every image passes."""
    given = [getattr(where, name) for name in (*SEVERAL, *NESTED)]
    times = [getattr(where, name) for name in TIMES]
    return not (any(given) or where.attributes or any(at is not None for at in times))


def nested(where: Filter, path: str = "") -> Iterator[tuple[str, Filter]]:
    """The filters directly inside a filter, each with its path, such as "any_of[0]".

    Args:
        path: path of the filter itself.
    """
    dot = "." if path else ""
    for name in NESTED:
        for i, one in enumerate(getattr(where, name)):
            yield f"{path}{dot}{name}[{i}]", one


def every(where: Filter, path: str = "") -> Iterator[tuple[str, Filter]]:
    """A filter and all filters inside it, each with its path; the outermost first.

    >>> [path for path, _ in every(Filter(any_of=(Filter(none_of=(Filter(),)),)), "filter")]
    ['filter', 'filter.any_of[0]', 'filter.any_of[0].none_of[0]']
    """
    yield path, where
    for inner, one in nested(where, path):
        yield from every(one, inner)


def to_plain(where: Filter) -> dict[str, Any]:
    """The filter as plain JSON values; equal filters give equal values.

    Conditions that earlier versions do not know are left out where they are not set.

    >>> to_plain(Filter(cameras={"b", "a"}))["cameras"]
    ['a', 'b']
    """
    times = {name: getattr(where, name) for name in TIMES}
    inside = {name: [to_plain(one) for one in getattr(where, name)] for name in NESTED}
    return {
        **{name: sorted(set(getattr(where, name))) for name in SEVERAL},
        **{name: at and at.isoformat() for name, at in times.items()},
        "attributes": {name: _plain_wanted(one) for name, one in where.attributes.items()},
        **{name: some for name, some in inside.items() if some},
    }


def from_plain(plain: Mapping[str, Any]) -> Filter:
    """The filter of to_plain.

    Raises:
        KeyError, ValueError, TypeError: the values are not those of a filter.
    """
    conditions: dict[str, Any] = {name: frozenset(plain[name]) for name in SEVERAL}
    for name in TIMES:
        conditions[name] = datetime.fromisoformat(plain[name]) if plain[name] else None
    for name in NESTED:
        conditions[name] = tuple(from_plain(one) for one in plain.get(name, ()))
    attributes = {str(name): _wanted(one) for name, one in plain["attributes"].items()}
    return Filter(**conditions, attributes=attributes)


def require_several(where: Filter) -> None:
    """Raise TypeError if a condition that takes several texts is a single string.

    Python would iterate over its letters.
    """
    for name in SEVERAL:
        if isinstance(given := getattr(where, name), str):
            raise TypeError(f"{name} is the text {given[:80]!r}; give a list or set of texts")


@dataclass(frozen=True)
class GroupBy:
    """What to group images by: images with the same value form a group.

    An image without a value is a group of its own.

    Attributes:
        attribute: name of an attribute; "" to group by the column.
        column: "track" or "camera".
    """

    column: Literal["track", "camera"] = "track"
    attribute: str = ""


def _require_bound(name: str, bound: Any) -> None:
    if isinstance(bound, datetime):
        if bound.utcoffset() is None:
            raise ValueError(f"{name} is {bound.isoformat()}, which has no time zone; give one")
    elif isinstance(bound, bool) or not isinstance(bound, int | float):
        raise TypeError(f"{name} must be a number or a time, not {bound!r:.60}")
    elif not _is_finite(bound):
        raise ValueError(f"{name} must be a finite 64-bit number, not {bound!r:.60}")


def _comparable(bound: float | datetime) -> Any:
    """A number, or the time since the year 1 in UTC.

    Python compares two times of one zone by their clocks, which show an hour twice in autumn.
    """
    if not isinstance(bound, datetime):
        return bound
    return bound.replace(tzinfo=None) - datetime.min - (bound.utcoffset() or timedelta())


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an int that no float can hold
        return False


def _plain_wanted(wanted: Wanted) -> Any:
    match wanted:
        case str():
            return wanted
        case Range():
            of = "times" if wanted.of_times else "numbers"
            bounds = {
                name: bound.isoformat() if isinstance(bound, datetime) else float(bound)
                for name, bound in wanted.bounds.items()
            }
            return {of: bounds}
        case Exists():
            return {"exists": True}
        case several:
            return sorted(set(several))


def _wanted(plain: Any) -> Wanted:
    match plain:
        case str():
            return plain
        case list():
            return frozenset(map(str, plain))
        case {"numbers": bounds}:
            return Range(**{name: float(bound) for name, bound in bounds.items()})
        case {"times": bounds}:
            return Range(**{name: datetime.fromisoformat(at) for name, at in bounds.items()})
        case {"exists": True}:
            return Exists()
    raise ValueError(f"{plain!r:.80} is not what a filter asks of an attribute")
