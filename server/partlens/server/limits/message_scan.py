"""Counts what an encoded message holds before it is parsed.

Parsing builds every value, so ten million empty regions, which are 20 MB, would cost seconds and
gigabytes. This reads tags and lengths, and skips the rest.
"""

from collections import Counter

from google.protobuf.message import DecodeError

from partlens.runtime.config.sections import LimitsSection
from partlens.server.errors import RequestError
from partlens.server.limits.message_shape import Field, Shape

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT, _TAGS = 10, 2**32
_CONTINUED = bytes(range(128, 256))
DEEPEST = 24
"""Most messages inside each other. A report on a search whose filters are nested as deep as allowed
has fewer."""


class _Full(Exception):
    """The message has more fields than are counted."""


class Scan:
    """Counts one message.

    Args:
        data: the encoded message.
    """

    def __init__(self, data: bytes, limits: LimitsSection) -> None:
        self._data, self._limits = data, limits
        self._fields = self._binary = 0
        self._counts: Counter[Field] = Counter()

    def require_within(self, shape: Shape) -> None:
        """Raise unless the message is within the limits.

        Raises:
            RequestError: too many values of a field, fields in all, or bytes besides pictures.
            DecodeError: the bytes are not a message.
        """
        size, limits, full = len(self._data), self._limits, False
        try:
            self._look(0, size, shape)
        except _Full:
            full = True
        for field, count in self._counts.items():
            if field.most is not None and count > field.most:
                of = f" ({field.setting})" if field.setting else ""
                raise RequestError(
                    field.name,
                    f"{count}{' or more' if full else ''} given; at most {field.most} are"
                    f" allowed{of}",
                )
        if full:
            raise RequestError(
                "",
                f"the request has more than {limits.message_fields} fields, the most allowed"
                " (limits.message_fields); split it",
            )
        if size - self._binary > limits.text_bytes:
            raise RequestError(
                "",
                f"the request has {size - self._binary} bytes besides its pictures and masks; at"
                f" most {limits.text_bytes} are allowed (limits.text_bytes); split it",
            )

    def _look(self, at: int, end: int, shape: Shape, depth: int = 1) -> None:
        if depth > DEEPEST:
            raise RequestError("", f"the request is nested more than {DEEPEST} messages deep")
        known = shape.fields
        while at < end:
            tag, at = self._varint(at, end)
            if tag >= _TAGS:
                raise DecodeError("there is no field with such a number")
            self._fields += 1
            if self._fields > self._limits.message_fields:
                raise _Full
            kind, field = tag & 7, known.get(tag >> 3)
            start, at = self._value(at, end, kind)
            if field is None:
                continue
            if field.most is not None:
                self._counts[field] += self._values(field, kind, start, at)
            if kind == _LENGTH:
                if field.binary:
                    self._binary += at - start
                if field.inside is not None:
                    self._look(start, at, field.inside, depth + 1)

    def _value(self, at: int, end: int, kind: int) -> tuple[int, int]:
        """From where to where a value lies."""
        if kind == _LENGTH:
            length, start = self._varint(at, end)
            after = start + length
        elif kind == _VARINT:
            start, after = at, self._varint(at, end)[1]
        elif kind in _WIDTHS:
            start, after = at, at + _WIDTHS[kind]
        else:
            raise DecodeError("groups are not part of any message")
        if after > end:
            raise DecodeError("the message is cut off")
        return start, after

    def _values(self, field: Field, kind: int, start: int, end: int) -> int:
        if kind != _LENGTH or field.packed is None:
            return 1
        if field.packed:
            return (end - start) // field.packed
        return len(self._data[start:end].translate(None, _CONTINUED))

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        data = self._data
        if at < end and data[at] < 128:
            return data[at], at + 1
        value = 0
        for shift, place in enumerate(range(at, min(end, at + _LONGEST_VARINT))):
            value |= (data[place] & 127) << 7 * shift
            if data[place] < 128:
                return value, place + 1
        raise DecodeError("a number is cut off")
