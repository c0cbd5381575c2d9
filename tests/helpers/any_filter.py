"""Random filters of every kind, and an independent check of whether an image passes."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from partlens.common.filters import DEEPEST, Exists, Filter, Range
from partlens.common.metadata import Metadata

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
IDS = [*"012345", "it's", '"x"', "ü id", "nobody"]
CAMERAS, TRACKS = ("", "a", "b", "o'neil; --", "漢"), ("", "t1", "t2")
TIMES = [NOON + timedelta(microseconds=n) for n in range(3)]
NAMES = ["hat", "speed", "seen", "two words", "it's", 'say "no"', "camera", "not", "ü%_"]
TEXTS = [
    "", "red", "Red", "ü", "a'b", 'a"b', "') OR 1=1 --", "%", "_", "in", "NaN", "inf", "-Infinity",
    "0", "-0", "10", "10.0", "1e1", "+10", " 10", "10 km", "1_0", "0x10", "\uff19", "1e999", ".5",
    "5.", "9007199254740993", "2026-05-01", "2026-05-01T12:00", "2026-05-01T14:00:00+02:00",
    "2026-05-01T12:00:00.000001Z", "2026-13-01", "a, b", "(x)", "null", "漢",
]  # fmt: skip

metadata = st.builds(
    Metadata,
    st.sampled_from(CAMERAS),
    st.sampled_from(TRACKS),
    st.sampled_from([None, *TIMES]),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(TEXTS), max_size=4),
)


def _ranges(bounds: st.SearchStrategy[Any]) -> st.SearchStrategy[Range]:
    def made(low: Any, high: Any, closed: tuple[bool, bool], sides: str) -> Range:
        low, high = sorted((low, high))
        if low == high:
            closed = True, True
        given = {}
        if "<" in sides:
            given["gte" if closed[0] else "gt"] = low
        if ">" in sides:
            given["lte" if closed[1] else "lt"] = high
        return Range(**given)

    closed = st.tuples(st.booleans(), st.booleans())
    return st.builds(made, bounds, bounds, closed, st.sampled_from(["<", ">", "<>"]))


numbers = st.sampled_from([-1.0, 0.0, 0.5, 5.0, 10, 10.5, 9007199254740992.0, 1e308])
wanted = st.one_of(
    st.sampled_from(TEXTS),
    st.frozensets(st.sampled_from(TEXTS), min_size=1, max_size=3),
    _ranges(numbers),
    _ranges(st.sampled_from([NOON - timedelta(hours=12), *TIMES])),
    st.just(Exists()),
)
_conditions: dict[str, st.SearchStrategy[Any]] = {
    "cameras": st.frozensets(st.sampled_from([*CAMERAS, "elsewhere"]), min_size=1),
    "tracks": st.frozensets(st.sampled_from(TRACKS), min_size=1),
    "captured_after": st.sampled_from(TIMES),
    "captured_before": st.sampled_from(TIMES),
    "attributes": st.dictionaries(st.sampled_from(NAMES), wanted, min_size=1, max_size=3),
    "exclude_ids": st.frozensets(st.sampled_from(IDS), min_size=1),
    "exclude_cameras": st.frozensets(st.sampled_from(CAMERAS), min_size=1),
    "ids": st.frozensets(st.sampled_from(IDS), min_size=1),
}


@st.composite
def filters(draw: st.DrawFn, depth: int = 3, least: int = 0) -> Filter:
    """Filters nested at most this deep.

    Args:
        least: fewest conditions.
    """
    assert depth <= DEEPEST
    nested = ("all_of", "any_of", "none_of") if depth > 1 else ()
    names = draw(
        st.lists(st.sampled_from([*_conditions, *nested]), unique=True, min_size=least, max_size=2)
    )
    given = dict[str, Any]()
    for name in names:
        if name in nested:
            inside = filters(depth=depth - 1, least=1)
            given[name] = tuple(draw(st.lists(inside, min_size=1, max_size=2)))
        else:
            given[name] = draw(_conditions[name])
    return Filter(**given)


def passes(where: Filter, id: str, of: Metadata) -> bool:
    """The conditions of a filter, one by one, on one image."""
    at = of.captured_at
    return (
        (not where.ids or id in where.ids)
        and id not in where.exclude_ids
        and (not where.cameras or of.camera in where.cameras)
        and of.camera not in where.exclude_cameras
        and (not where.tracks or of.track in where.tracks)
        and (where.captured_after is None or (at is not None and at >= where.captured_after))
        and (where.captured_before is None or (at is not None and at < where.captured_before))
        and all(_meets(of.attributes.get(name), one) for name, one in where.attributes.items())
        and all(passes(one, id, of) for one in where.all_of)
        and (not where.any_of or any(passes(one, id, of) for one in where.any_of))
        and not any(passes(one, id, of) for one in where.none_of)
    )


def _meets(text: str | None, wanted: object) -> bool:
    if text is None:
        return False
    if isinstance(wanted, str):
        return text == wanted
    if isinstance(wanted, Exists):
        return text != ""
    if isinstance(wanted, Range):
        value = _as_time(text) if wanted.of_times else _as_number(text)
        return value is not None and _between(value, wanted)
    assert isinstance(wanted, frozenset)
    return text in wanted


def _between(value: Any, bounds: Range) -> bool:
    low: Any = bounds.gt if bounds.gte is None else bounds.gte
    high: Any = bounds.lt if bounds.lte is None else bounds.lte
    above = low is None or value > low or (bounds.gte is not None and value == low)
    below = high is None or value < high or (bounds.lte is not None and value == high)
    return above and below


def _as_number(text: str) -> float | None:
    """Digits of ASCII with at most one point, and an exponent: no names, spaces or underscores."""
    mantissa, _, exponent = text.lower().partition("e")
    body = mantissa[1:] if mantissa[:1] in ("+", "-") else mantissa
    if not re.sub(r"\.", "", body, count=1).isascii() or not body.replace(".", "", 1).isdigit():
        return None
    if "e" in text.lower() and not exponent.lstrip("+-").isdigit():
        return None
    return float(text)


def _as_time(text: str) -> datetime | None:
    """Of the texts above, by Python's own parser."""
    if not re.match(r"\d{4}-", text):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
