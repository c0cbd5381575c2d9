"""Filters written as text, in the language of where.parse_where."""

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime

from partlens.common.filters import Exists, Filter, Range, Wanted
from partlens.common.where import BOUNDS, COLUMNS, KEYWORDS


def where_text(where: Filter) -> str:
    """A filter as an expression that parse_where reads; "" for an empty filter.

    >>> where_text(Filter(cameras=["b", "a"], attributes={"two words": Range(gte=10)}))
    "camera in (b, a) and 'two words' >= 10"
    """
    return " and ".join(_conditions(where))


def _conditions(where: Filter) -> Iterator[str]:
    for column, wanted, unwanted in (
        ("id", where.ids, where.exclude_ids),
        ("camera", where.cameras, where.exclude_cameras),
        ("track", where.tracks, ()),
        ("media_digest", (), where.exclude_media),
    ):
        if wanted:
            yield _one_of(column, wanted)
        if unwanted:
            yield _one_of(column, unwanted, "not ")
    if where.captured_after is not None:
        yield f"captured_at >= {_time_text(where.captured_after)}"
    if where.captured_before is not None:
        yield f"captured_at < {_time_text(where.captured_before)}"
    for name, of_attribute in where.attributes.items():
        yield from _attribute(name, of_attribute)
    yield from (_grouped(one) for one in where.all_of)
    if where.any_of:
        yield f"({' or '.join(_grouped(one) for one in where.any_of)})"
    yield from (f"not {_grouped(one)}" for one in where.none_of)


def _grouped(where: Filter) -> str:
    return f"({where_text(where)})"


def _attribute(name: str, wanted: Wanted) -> Iterator[str]:
    quoted = _quoted(name, reserved=COLUMNS)
    match wanted:
        case str():
            yield f"{quoted} = {_quoted(wanted)}"
        case Exists():
            yield quoted
        case Range():
            signs = {bound: sign for sign, bound in BOUNDS.items()}
            for bound, value in wanted.bounds.items():
                text = _time_text(value) if isinstance(value, datetime) else f"{value!r}"
                yield f"{quoted} {signs[bound]} {text.removesuffix('.0')}"
        case several:
            yield _one_of(quoted, several)


def _time_text(at: datetime) -> str:
    try:
        return at.astimezone(UTC).isoformat()
    except OverflowError:  # within a day of the years 1 or 9999
        return at.isoformat()


def _one_of(name: str, values: Collection[str], negation: str = "") -> str:
    several = sorted(values) if isinstance(values, set | frozenset) else list(values)
    if len(several) == 1:
        return f"{name} {'!=' if negation else '='} {_quoted(several[0])}"
    return f"{name} {negation}in ({', '.join(map(_quoted, several))})"


def _quoted(text: str, reserved: Collection[str] = ()) -> str:
    plain = re.fullmatch(r"[^\s()=!<>,'\"]+", text) is not None
    if plain and text.lower() not in KEYWORDS and text not in reserved:
        return text
    return "'" + text.replace("'", "''") + "'"
