"""Checks of arguments before they are sent: each returns the value or raises RequestError.

A value of the wrong type could otherwise be misread: a str is also a sequence of one-letter strs,
and gRPC treats a deadline of infinity as expired.
"""

import math
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime
from numbers import Integral, Real
from typing import Any

import numpy as np

from partlens.client.errors import RequestError

LONGEST = 366 * 86400
"""Longest time limit of a call, in seconds: a year."""

_SHOWN = 60


def number(name: str, value: Any) -> float:
    """A finite number."""
    if isinstance(value, Real) and not isinstance(value, bool | np.bool_):
        try:
            if math.isfinite(plain := float(value)):
                return plain
        except OverflowError:
            pass
    raise _wrong(name, value, "a finite number")


def above_zero(name: str, value: Any) -> float:
    """A finite number above 0."""
    if (plain := number(name, value)) <= 0:
        raise _wrong(name, value, "a finite number above 0")
    return plain


def not_negative(name: str, value: Any) -> float:
    """A finite number, 0 or above."""
    if (plain := number(name, value)) < 0:
        raise _wrong(name, value, "a finite number, 0 or above")
    return plain


def seconds(name: str, value: Any) -> float:
    """A time limit in seconds."""
    allowed = f"a number of seconds above 0 and at most {LONGEST} (a year)"
    try:
        plain = number(name, value)
    except RequestError:
        raise _wrong(name, value, allowed) from None
    if not 0 < plain <= LONGEST:
        raise _wrong(name, value, allowed)
    return plain


def optional_seconds(name: str, value: Any) -> float | None:
    """The same, or None for no limit."""
    return None if value is None else seconds(name, value)


def whole(name: str, value: Any, *, least: int = 0, bits: int = 32) -> int:
    """A whole number from `least` to the largest that fits in `bits` bits."""
    most = 2**bits - 1
    if isinstance(value, Integral) and not isinstance(value, bool):
        plain = int(value)
        if least <= plain <= most:
            return plain
    raise _wrong(name, value, f"a whole number from {least} to {most}")


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise _wrong(name, value, "True or False")
    return bool(value)


def text(name: str, value: Any) -> str:
    """A text that can be sent."""
    if not isinstance(value, str):
        raise _wrong(name, value, "a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _wrong(name, value, "a text that UTF-8 can encode") from None
    return value


def choice(name: str, value: Any, allowed: Collection[str]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in allowed:
        raise _wrong(name, value, f"one of {', '.join(map(repr, allowed))}")
    return value


def texts(name: str, value: Any) -> list[str]:
    """Several texts. A single text is refused, since iterating over it gives its letters."""
    return [text(f"{name}[{i}]", one) for i, one in enumerate(several(name, value))]


def several(name: str, value: Any) -> Iterable[Any]:
    """Several values; not a text or bytes."""
    if not is_several(value):
        raise _wrong(name, value, f"a list{_as_a_list(value)}")
    listed: Iterable[Any] = value
    return listed


def is_several(value: Any) -> bool:
    """Whether a value can be taken for several; a text, bytes or a mapping cannot."""
    single = isinstance(value, str | bytes | bytearray | Mapping)
    return isinstance(value, Iterable) and not single


def repeatable(value: Any) -> Any:
    """A value that can be read several times: those of an iterator as a list."""
    return list(value) if isinstance(value, Iterator) else value


def several_async(name: str, value: Any) -> AsyncIterable[Any]:
    """The same for asyncio, which also accepts asynchronous iterables."""
    return value if isinstance(value, AsyncIterable) else _each(several(name, value))


def pairs(name: str, value: Any) -> dict[str, str]:
    """Texts by name."""
    given = mapping(name, value)
    return {text(name, key): text(f"{name}[{key!r}]", one) for key, one in given.items()}


def mapping(name: str, value: Any) -> Mapping[Any, Any]:
    """Values by name."""
    if not isinstance(value, Mapping):
        raise _wrong(name, value, "a mapping by name")
    return value


def moment(name: str, value: Any) -> datetime:
    """A time with a time zone, converted to UTC."""
    if not isinstance(value, datetime):
        raise _wrong(name, value, "a datetime with a time zone")
    if value.tzinfo is None:
        raise RequestError(f"{name} is {value}, which has no time zone; give one", name)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        shown = value.isoformat()
        message = f"{name} must be within the years 1 to 9999 in UTC; {shown} is not"
        raise RequestError(message, name) from None


async def _each(values: Iterable[Any]) -> AsyncIterator[Any]:
    for one in values:
        yield one


def _as_a_list(value: Any) -> str:
    """How to write one value as a list."""
    if isinstance(value, str):
        return f", such as [{value[:_SHOWN]!r}]"
    return f", such as [{type(value).__name__}(...)]" if is_dataclass(value) else ""


def shown(value: Any) -> str:
    """A value as an error shows it: on one line, and short."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a number too long to print, or the value's own error
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _wrong(name: str, value: Any, allowed: str) -> RequestError:
    return RequestError(f"{name} must be {allowed}, not {shown(value)}", name)
