"""Protobuf messages as JSON, bounded like binary ones."""

import re
from typing import cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from partlens.common import strict_json
from partlens.runtime.config.sections import LimitsSection
from partlens.server.errors import RequestError
from partlens.server.http.bodies import require_size
from partlens.server.http.json_fit import require_fitting
from partlens.server.limits.receiving import ENVELOPE_BYTES, BinaryParser

DEEPEST = 32
"""Most objects and lists inside each other; the deepest filter has fewer."""
TOKENS_A_FIELD = 4
"""A field of a message has at most a colon, a comma and a bracket of JSON."""
_LONGEST_PROBLEM = 400


def most_json_bytes(limits: LimitsSection) -> int:
    """Largest request in JSON: its pictures are in base64."""
    return (limits.request_bytes + ENVELOPE_BYTES) * 4 // 3 + limits.text_bytes


class JsonParser:
    """Parses JSON requests of one method.

    Args:
        message: class of the requests.
    """

    def __init__(self, message: type[Message], limits: LimitsSection) -> None:
        self._message, self._limits = message, limits
        self._binary = BinaryParser(message, limits)
        self._most = limits.request_bytes + ENVELOPE_BYTES

    def __call__(self, data: bytes) -> Message:
        """One request; see limits.receiving.Parse.

        Raises:
            MessageSizeError: the same request in binary would be too large.
        """
        if not data:
            raise RequestError("", "the body is empty; send {} for a request without fields")
        _require_shape(data, self._limits)
        message = self._parsed(data)
        del data
        binary = message.SerializeToString()
        require_size(len(binary), self._most)
        self._binary.require_within(binary)
        return message

    def _parsed(self, data: bytes) -> Message:
        message = self._message()
        try:
            values = strict_json.loads(data.decode("utf-8", "strict"))
            require_fitting(cast("Descriptor", message.DESCRIPTOR), values)
            json_format.ParseDict(values, message)
        except UnicodeDecodeError as error:
            raise RequestError("", f"the request is not UTF-8: {error.reason}") from error
        except (json_format.Error, ValueError, TypeError, RecursionError) as error:
            problem = " ".join(str(error).split())[:_LONGEST_PROBLEM]
            raise RequestError("", f"the request is not JSON of this method: {problem}") from error
        return message


def encoded(message: Message) -> bytes:
    """A message as JSON; fields with their default value are left out."""
    text = json_format.MessageToJson(message, indent=None, ensure_ascii=False)
    return text.encode("utf-8")


def _require_shape(data: bytes, limits: LimitsSection) -> None:
    """Refuses what would cost too much to parse, by looking at what is outside of strings."""
    frame = between_strings(data, limits)
    counts = [sum(map(frame.count, kind)) for kind in ((b",", b":", b"[", b"{"), (b"]", b"}"))]
    if max(counts) > _most_values(limits):
        raise _too_many(limits)
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", frame):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            raise RequestError("", f"the request is nested more than {DEEPEST} deep")


def between_strings(data: bytes, limits: LimitsSection) -> bytes:
    """What is between the strings; stops when that, or their number, is too much."""
    frame, strings, at = bytearray(), 0, 0
    while (start := data.find(b'"', at)) >= 0:
        strings += 1
        if strings > _most_values(limits):
            raise _too_many(limits)
        frame += data[at:start]
        _require_small(len(frame), limits)
        at = _end_of_string(data, start, limits)
    _require_small(len(frame) + len(data) - at, limits)
    return bytes(frame + data[at:])


def _end_of_string(data: bytes, start: int, limits: LimitsSection) -> int:
    """Where a string ends. In short steps, so that other threads run: pictures are large."""
    at, escaped = start + 1, 0
    while (quote := data.find(b'"', at)) >= 0:
        if not _is_escaped(data, at, quote):
            return quote + 1
        at, escaped = quote + 1, escaped + 1
        if escaped > _most_values(limits):
            raise _too_many(limits)
    return len(data)


def _is_escaped(data: bytes, at: int, quote: int) -> bool:
    """Whether an odd number of backslashes comes before a quote."""
    if data.find(b"\\", at, quote) < 0:
        return False
    before = data[at:quote]
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 1


def _require_small(size: int, limits: LimitsSection) -> None:
    if size > limits.text_bytes:
        raise RequestError(
            "",
            f"the request has {size} bytes of JSON or more besides its texts; at most"
            f" {limits.text_bytes} are allowed (limits.text_bytes); split it",
        )


def _most_values(limits: LimitsSection) -> int:
    return TOKENS_A_FIELD * limits.message_fields


def _too_many(limits: LimitsSection) -> RequestError:
    return RequestError(
        "",
        f'the request has more than {_most_values(limits)} values or \\", the most allowed in JSON'
        f" ({TOKENS_A_FIELD} times limits.message_fields); split it",
    )
