"""Filters as text: `camera in (a, b) and speed >= 10 and not hat`.

    expression  = conjunction {"or" conjunction}
    conjunction = negation {"and" negation}
    negation    = "not" negation | "(" expression ")" | condition
    condition   = NAME                             the property has a value
                | NAME ("=" | "!=") TEXT
                | NAME ("<" | "<=" | ">" | ">=") NUMBER or TIME
                | NAME ["not"] "in" "(" TEXT {"," TEXT} ")"

NAME is `id`, `camera`, `track`, `captured_at` or `media_digest`; any other name, and every quoted
one, is that of an attribute. Texts with spaces or any of `()=!<>,'"` are quoted with ' or ", and a
quote inside is doubled. An image without a value passes != and `not in`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

from partlens.common.filters import (
    DEEPEST,
    Exists,
    Filter,
    Range,
    Wanted,
    depth_of,
    read_number,
)
from partlens.common.metadata import EARLIEST
from partlens.common.moments import in_utc, read_moment

LONGEST = 10_000
"""Maximum characters of an expression."""
_TOKEN = re.compile(
    r"\s*(?:(?P<sign><=|>=|!=|[=<>(),])|(?P<word>[^\s()=!<>,'\"]+)"
    r"|'(?P<single>(?:[^']|'')*)'|\"(?P<double>(?:[^\"]|\"\")*)\")"
)
KEYWORDS = ("and", "or", "not", "in")
COLUMNS = ("id", "camera", "track", "captured_at", "media_digest")
_SEVERAL = {"id": ("ids", "exclude_ids"), "camera": ("cameras", "exclude_cameras")}
BOUNDS = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_TICK = timedelta(microseconds=1)
"""Smallest step of a capture time."""


class WhereError(ValueError):
    """An expression that is not a filter; the message says where and what is allowed."""


@dataclass(frozen=True)
class _Token:
    text: str
    kind: Literal["sign", "word", "quoted", "end"]
    at: int

    def is_word(self, word: str) -> bool:
        return self.kind == "word" and self.text.lower() == word


def parse_where(text: str) -> Filter:
    """The filter that an expression describes.

    Raises:
        WhereError: it does not describe one, or is nested too deeply.

    >>> parse_where("camera in (a, b) and speed >= 10").attributes
    {'speed': Range(gt=None, gte=10.0, lt=None, lte=None)}
    """
    if len(text) > LONGEST:
        raise WhereError(f"the filter has {len(text)} characters; at most {LONGEST} are allowed")
    reader = _Reader(text)
    found = reader.expression(1)
    reader.require_end()
    if depth_of(found) > DEEPEST:
        raise WhereError(f"the filter is nested {depth_of(found)} deep; at most {DEEPEST} fit")
    return found


class _Reader:
    """Reads one expression, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens, self._next = list(_tokens(text)), 0

    def expression(self, depth: int) -> Filter:
        """Alternatives.

        Args:
            depth: number of filters around, counting this one.
        """
        found = self._separated("or", lambda: self._conjunction(depth + 1))
        return found[0] if len(found) == 1 else Filter(any_of=tuple(found))

    def require_end(self) -> None:
        """Raise WhereError if something follows."""
        if self._token.kind != "end":
            raise self._wrong("and, or, or the end of the filter")

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _conjunction(self, depth: int) -> Filter:
        return together(self._separated("and", lambda: self._negation(depth)))

    def _separated(self, word: str, read: Callable[[], Filter]) -> list[Filter]:
        found = [read()]
        while self._token.is_word(word):
            self._next += 1
            found.append(read())
        return found

    def _negation(self, depth: int) -> Filter:
        # An expression may nest a little deeper than its filter, which is checked when it is sent.
        if depth > 4 * DEEPEST:
            raise WhereError(f"the filter is nested too deeply; at most {DEEPEST} fit")
        if self._token.is_word("not"):
            self._next += 1
            return Filter(none_of=(self._negation(depth + 1),))
        if self._take_sign("("):
            found = self.expression(depth + 1)
            self._require_sign(")")
            return found
        return self._condition()

    def _condition(self) -> Filter:
        token = self._token
        if token.kind not in ("word", "quoted") or _is_keyword(token):
            raise self._wrong("the name of a property, not, or (")
        self._next += 1
        name = token.text
        column = name if token.kind == "word" and name in COLUMNS else ""
        operator = self._token
        if operator.is_word("in") or operator.is_word("not"):
            return self._membership(name, column)
        if operator.kind != "sign" or operator.text not in ("=", "!=", *BOUNDS):
            return _known(name, column)
        self._next += 1
        value = self._value()
        if operator.text in BOUNDS:
            return self._bounded(name, column, operator, value)
        return self._among(name, column, [value.text], negated=operator.text == "!=")

    def _membership(self, name: str, column: str) -> Filter:
        negated = self._token.is_word("not")
        self._next += negated
        if not self._token.is_word("in"):
            raise self._wrong("in")
        self._next += 1
        self._require_sign("(")
        values = [self._value().text]
        while self._take_sign(","):
            values.append(self._value().text)
        self._require_sign(")")
        return self._among(name, column, values, negated=negated)

    def _among(self, name: str, column: str, values: Sequence[str], *, negated: bool) -> Filter:
        if column == "captured_at":
            raise WhereError("captured_at is compared with <, <=, > and >=, not with = or in")
        if column in _SEVERAL:
            conditions: dict[str, Any] = {_SEVERAL[column][negated]: tuple(values)}
            return Filter(**conditions)
        one: Wanted = values[0] if len(values) == 1 else tuple(values)
        if column == "media_digest":
            found, negated = Filter(exclude_media=tuple(values)), not negated
        elif column:
            found = Filter(tracks=tuple(values))
        else:
            found = Filter(attributes={name: one})
        return Filter(none_of=(found,)) if negated else found

    def _bounded(self, name: str, column: str, operator: _Token, value: _Token) -> Filter:
        if column == "captured_at":
            return _captured(operator.text, self._time(value))
        if column:
            raise WhereError(f"{column} is compared with =, != and in, not with {operator.text}")
        bound: float | datetime | None = read_number(value.text) if value.kind == "word" else None
        try:
            bound = self._time(value) if bound is None else bound
            return Filter(attributes={name: _range({BOUNDS[operator.text]: bound})})
        except WhereError as error:
            raise WhereError(f"{error} (or give a number)") from error
        except ValueError as error:
            raise WhereError(f"{name}: {error}") from error

    def _time(self, value: _Token) -> datetime:
        try:
            return in_utc(read_moment(value.text)).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise WhereError(f"at character {value.at + 1}: {error}") from error

    def _value(self) -> _Token:
        token = self._token
        if token.kind not in ("word", "quoted") or _is_keyword(token):
            raise self._wrong("a value (quote it if it has spaces or signs)")
        self._next += 1
        return token

    def _take_sign(self, sign: str) -> bool:
        taken = self._token.kind == "sign" and self._token.text == sign
        self._next += taken
        return taken

    def _require_sign(self, sign: str) -> None:
        if not self._take_sign(sign):
            raise self._wrong(sign)

    def _wrong(self, expected: str) -> WhereError:
        token = self._token
        found = "the end" if token.kind == "end" else f"{token.text[:40]!r}"
        return WhereError(f"at character {token.at + 1}: expected {expected}, found {found}")


def _tokens(text: str) -> Iterator[_Token]:
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            rest = text[at:].lstrip()
            what = "a quote is not closed" if rest[:1] in "'\"" else "expected != for not equal"
            raise WhereError(f"at character {len(text) - len(rest) + 1}: {what}")
        start = found.start(cast("str", found.lastgroup))
        if (single := found["single"]) is not None:
            yield _Token(single.replace("''", "'"), "quoted", start - 1)
        elif (double := found["double"]) is not None:
            yield _Token(double.replace('""', '"'), "quoted", start - 1)
        elif found["word"]:
            yield _Token(found["word"], "word", start)
        else:
            yield _Token(found["sign"], "sign", start)
        at = found.end()
    yield _Token("", "end", len(text))


def _is_keyword(token: _Token) -> bool:
    return token.kind == "word" and token.text.lower() in KEYWORDS


def _known(name: str, column: str) -> Filter:
    """Images whose property has a value."""
    match column:
        case "id" | "media_digest":
            raise WhereError(f"{name} is compared with =, != and in, as every image has one")
        case "camera":
            return Filter(exclude_cameras=("",))
        case "track":
            return Filter(none_of=(Filter(tracks=("",)),))
        case "captured_at":
            return Filter(captured_after=EARLIEST)
        case _:
            return Filter(attributes={name: Exists()})


def _captured(sign: str, at: datetime) -> Filter:
    try:
        later = at + (_TICK if sign in (">", "<=") else timedelta())
    except OverflowError:
        later = at
    return Filter(captured_after=later) if sign[0] == ">" else Filter(captured_before=later)


def _range(bounds: dict[str, Any]) -> Range:
    return Range(**bounds)


def together(filters: Sequence[Filter]) -> Filter:
    """One filter with all conditions of some, flat where none is given twice."""
    # What is apart is one deeper, so the deepest ones come first.
    deepest, *others = sorted(filters, key=depth_of, reverse=True)
    flat, apart = deepest, list[Filter]()
    for one in others:
        merged = _merged(flat, one)
        if merged is None:
            apart.append(one)
        else:
            flat = merged
    return replace(flat, all_of=(*flat.all_of, *apart)) if apart else flat


def _merged(one: Filter, other: Filter) -> Filter | None:
    """A filter with the conditions of both; None if that takes more than one."""
    ours, theirs = _given(one), _given(other)
    shared = ours.keys() & theirs.keys()
    if shared - {"attributes", "none_of", "all_of", "exclude_cameras", "exclude_ids"}:
        return None
    found = {**ours, **theirs}
    for name in shared - {"attributes"}:
        found[name] = (*ours[name], *theirs[name])  # each excludes, or must pass, on its own
    if "attributes" in shared:
        attributes = _merged_attributes(one, other)
        if attributes is None:
            return None
        found["attributes"] = attributes
    return Filter(**found)


def _merged_attributes(one: Filter, other: Filter) -> dict[str, Wanted] | None:
    found = dict(one.attributes)
    for name, wanted in other.attributes.items():
        before = found.get(name)
        if before is None:
            found[name] = wanted
        elif isinstance(before, Range) and isinstance(wanted, Range):
            try:
                found[name] = _range({**before.bounds, **wanted.bounds})
            except (ValueError, TypeError):
                return None
            if before.bounds.keys() & wanted.bounds.keys():
                return None
        else:
            return None
    return found


def _given(where: Filter) -> dict[str, Any]:
    empty = vars(Filter())
    return {name: value for name, value in vars(where).items() if value != empty[name]}
