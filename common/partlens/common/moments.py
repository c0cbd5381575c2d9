"""Times as people and programs write them."""

import re
from datetime import UTC, datetime, timedelta

_ISO = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?( ?(Z|[+-]\d\d(:?[0-5]\d)?))?)?", re.ASCII
)
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_EXAMPLE = "2026-05-01T12:00:00+02:00"


def duration(text: str) -> timedelta:
    """A number of hours, days or weeks, as in "30d"; at least 1.

    Raises:
        ValueError: the text has another form.

    >>> duration("2w")
    datetime.timedelta(days=14)
    """
    match = re.fullmatch(r"0{0,4}([1-9][0-9]{0,4})([hdw])", text)
    if match is None:
        raise ValueError(
            f"{text!r} is not a number of hours, days or weeks, such as 12h, 30d or 8w"
        )
    return int(match[1]) * _UNITS[match[2]]


def read_moment(text: str) -> datetime:
    """Parse an ISO 8601 time with dashes; the result has no zone if the text names none.

    Digits beyond microseconds are cut off. A bare number is refused, since it may count seconds,
    milliseconds or days.

    Raises:
        ValueError: the text has another form, or there is no such date or time.

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
