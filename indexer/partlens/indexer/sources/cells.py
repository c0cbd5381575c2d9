"""Convert table cells to manifest text."""

import math
from datetime import date, datetime, time
from decimal import Decimal


def cell_text(value: object, digits: int = 53) -> str:
    """A value as text; "" for None and NaN, which both mean unknown.

    A whole-number float is written as an integer: pandas turns integers with gaps into floats.

    Args:
        digits: binary digits of a float's fraction; above 2**digits, a float cannot represent
            every whole number.

    Raises:
        ValueError: infinity, a float that may have lost digits of a whole number, bytes that are
            not UTF-8, or a value that is not text, a number or a time.

    >>> cell_text(12.0), cell_text(0.5), cell_text(float("nan"))
    ('12', '0.5', '')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return _float_text(value, digits)
    if isinstance(value, bytes):
        return _bytes_text(value)
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() else ""
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (str, bool, int)):
        return str(value).strip()
    raise ValueError(f"it holds a {type(value).__name__}; write it as text")


def _float_text(value: float, digits: int) -> str:
    if math.isnan(value):
        return ""
    if math.isinf(value):
        raise ValueError("it holds infinity; leave the cell empty or give a number")
    if not value.is_integer():
        return str(value)
    if abs(value) > 2**digits:
        raise ValueError(
            f"it holds {value!r}, a float too large to tell whole numbers apart; store the column"
            " as integers or text"
        )
    return str(int(value))


def _bytes_text(value: bytes) -> str:
    try:
        return value.decode().strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"it holds bytes that are not UTF-8 ({value[:16]!r})") from error
