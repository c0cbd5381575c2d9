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
"""Most objects and lists inside each other; the deepest request has fewer than ten."""
TOKENS_A_FIELD = 4
"""A field of a message has at most a colon, a comma and a bracket of JSON."""
# Takes an unterminated string up to the end, or it would be looked at again from every quote.
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_SPACE = re.compile(rb"[ \t\r\n]+")
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
    frame = _SPACE.sub(b"", _STRINGS.sub(b'"', data))
    if len(frame) > limits.text_bytes:
        raise RequestError(
            "",
            f"the request has {len(frame)} bytes of JSON besides its texts; at most"
            f" {limits.text_bytes} are allowed (limits.text_bytes); split it",
        )
    most = TOKENS_A_FIELD * limits.message_fields
    if sum(frame.count(token) for token in (b",", b":", b"[", b"{")) > most:
        raise RequestError(
            "",
            f"the request has more than {most} values, the most allowed in JSON"
            f" ({TOKENS_A_FIELD} times limits.message_fields); split it",
        )
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", frame):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            raise RequestError("", f"the request is nested more than {DEEPEST} deep")
