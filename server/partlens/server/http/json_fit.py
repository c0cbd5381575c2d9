"""Refuses JSON that protobuf's own parser would take for something else.

It drops what is not base64 from a picture, takes "" for a filter, and keeps the last of two values
of a field that is given by both of its names.
"""

import string
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

_ALPHABET = (string.ascii_letters + string.digits + "+/-_").encode()
_MOST_PADDING = 2


def require_fitting(message: Descriptor, value: Any, name: str = "the request") -> None:
    """ValueError unless messages are objects, fields are given once, and bytes are base64.

    Everything else is left to protobuf's parser, which takes an empty list or text for a message.

    Args:
        value: the JSON values of the message.
        name: what the message is called.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object, {{...}}")
    for field, given in _given(message, value):
        inner = field.message_type
        if field.type == FieldDescriptor.TYPE_BYTES:
            if isinstance(given, str) and not _is_base64(given):
                raise ValueError(f"{field.json_name} is not base64; encode the bytes with it")
        elif inner is not None and not _has_own_form(inner):
            require_fitting(inner, given, field.json_name)


def _is_base64(text: str) -> bool:
    """Whether a text is base64, of either alphabet and with or without its padding."""
    plain = text.rstrip("=")
    # Faster than a regular expression, and pictures are large.
    left = plain.encode("utf-8", "replace").translate(None, _ALPHABET)
    return not left and len(text) - len(plain) <= _MOST_PADDING


def _given(message: Descriptor, value: dict[str, Any]) -> Iterator[tuple[FieldDescriptor, Any]]:
    """Every field that is given, with each of its values."""
    for field in message.fields:
        names = {field.json_name, field.name}
        if len(names & value.keys()) > 1:
            raise ValueError(f"{field.json_name} and {field.name} are one field; give it once")
        for name in names:
            given = value.get(name)
            if isinstance(given, list) and field.is_repeated:
                yield from ((field, one) for one in given)
            elif given is not None:
                yield field, given


def _has_own_form(message: Descriptor) -> bool:
    """Whether a message is not an object of its fields in JSON: a time, or an entry of a map."""
    return message.file.package == "google.protobuf" or message.GetOptions().map_entry
