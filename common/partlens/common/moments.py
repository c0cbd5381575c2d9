"""Times as people and programs write them."""

import re
from datetime import UTC, datetime

_ISO = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?( ?(Z|[+-]\d\d(:?[0-5]\d)?))?)?", re.ASCII
)
_EXAMPLE = "2026-05-01T12:00:00+02:00"


def read_moment(text: str) -> datetime:
    """The moment that a text gives in ISO 8601 with dashes; without a zone if it names none.

    What is finer than a microsecond is cut off. A bare number is refused, as it may count seconds,
    milliseconds or days.

    Raises:
        ValueError: it is of another form, or there is no such moment.

    >>> read_moment("2026-05-01T12:00:00.123456789Z").isoformat()
    '2026-05-01T12:00:00.123456+00:00'
    """
    plain = text.strip().upper()
    if re.fullmatch(r"[-+]?[\d.]+", plain):
        raise ValueError(
            f"{text!r} may mean seconds, milliseconds or a date in any order; write it like"
            f" {_EXAMPLE}"
        )
    if re.match(r"\d{4}:\d\d:\d\d", plain):
        raise ValueError(
            f"{text!r} has colons in its date, as EXIF writes it; write it like {_EXAMPLE}"
        )
    if not _ISO.fullmatch(plain):
        raise ValueError(f"{text!r} is not a time; write it like {_EXAMPLE}")
    try:
        return datetime.fromisoformat(plain.replace(" Z", "Z").replace(" +", "+"))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time: {error}; write it like {_EXAMPLE}") from error


def in_utc(moment: datetime) -> datetime:
    """The moment, in UTC if it names no zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
