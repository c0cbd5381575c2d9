"""The lines of the audit log: each has a hash over its own bytes and all lines before it.

Changing, removing, inserting or moving a line breaks the chain from there on. A truncated log, or a
chain rewritten from some line on, can be detected only with an earlier head.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from partlens.server.errors import AuditError

GENESIS = "0" * 64
VERSION = 2
CONTINUED = "continued"
"""Event of the first line of a file that continues another."""
BEGUN = "BEGUN"
"""Outcome of a line that is written before a change; a later line names it in its field `begun`."""

Entry = Mapping[str, Any]

_RESERVED = {"v", "entry", "hash"}
_LINE = re.compile(
    rb'(\{"v": 2, "entry": ([1-9][0-9]{0,17})(?:, .*)?), "hash": "([0-9a-f]{64})"\}\n'
)
_NEWER = re.compile(rb'\{"v": ([0-9]+)')


@dataclass(frozen=True)
class Head:
    """A place in the chain.

    Attributes:
        entries: number of entries up to here.
        hash: hash of the last of them.
    """

    entries: int = 0
    hash: str = GENESIS


@dataclass(frozen=True)
class Line:
    """A line as it was read.

    Attributes:
        fields: everything but the hash.
        hash: the hash that it claims.
        body: the bytes that the hash covers; None in a line of format 1.
        number: position in the chain, from 1; None in a line of format 1.
    """

    fields: Mapping[str, Any]
    hash: str
    body: bytes | None = None
    number: int | None = None

    def after(self) -> Head | None:
        """The end of the file that this line continues; None if it continues none."""
        if self.fields.get("event") != CONTINUED or self.number is None:
            return None
        return Head(self.number - 1, str(self.fields.get("after")))


def encoded(entry: Entry) -> bytes:
    """An entry's fields as the bytes of a JSON object.

    Raises:
        AuditError: a value cannot be written as JSON, or a field is one of the chain's own.
    """
    if reserved := _RESERVED & entry.keys():
        raise AuditError(f"an entry has the reserved field {min(reserved)}")
    try:
        # ASCII only: a name that is not UTF-8 is written too, and a terminal can show the file.
        return json.dumps(entry).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise AuditError(f"an entry cannot be written as JSON: {error}") from error


def line(fields: bytes, before: Head) -> tuple[bytes, Head]:
    """The line for encoded fields that follows `before`, and the new head.

    >>> one = line(encoded({"who": "a"}), Head())[0]
    >>> one == line(encoded({"who": "a"}), Head(0, "1" * 64))[0]
    False
    """
    number = before.entries + 1
    more = b", " + fields[1:-1] if len(fields) > 2 else b""
    body = b'{"v": %d, "entry": %d%b' % (VERSION, number, more)
    hash = _hash(body, before.hash)
    return b'%b, "hash": "%b"}\n' % (body, hash.encode()), Head(number, hash)


def read_line(raw: bytes, where: str) -> Line:
    """A line's parts.

    Raises:
        AuditError: it is not a line of an audit log that this version reads.
    """
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not isinstance(hash := fields.pop("hash", None), str):
        raise AuditError(f"{where}: this is not a line of an audit log")
    if newer := _NEWER.match(raw):
        parts = _LINE.fullmatch(raw)
        if int(newer[1]) > VERSION:
            raise AuditError(
                f"{where}: has format {int(newer[1])}; this version reads formats 1 to {VERSION}"
            )
        if parts is None:
            raise AuditError(f"{where}: the hash does not match: this line was changed")
        return Line(fields, parts[3].decode(), parts[1], int(parts[2]))
    return Line(fields, hash)


def followed(raw: bytes, before: Head, where: str) -> tuple[Line, Head]:
    """A line and its head, if it follows `before`.

    Raises:
        AuditError: it breaks the chain; says so.
    """
    one = read_line(raw, where)
    if one.body is None:
        sound = _hash_of_format_1(one.fields, before.hash) == one.hash and _as_written(one) == raw
    else:
        sound = _hash(one.body, before.hash) == one.hash and one.number == before.entries + 1
    if not sound:
        raise AuditError(
            f"{where}: the hash does not match: this line was changed, or a line before it was"
            " removed, inserted or moved"
        )
    return one, Head(before.entries + 1, one.hash)


def _hash(body: bytes, before: str) -> str:
    return hashlib.sha256(before.encode() + b"\n" + body).hexdigest()


def _hash_of_format_1(fields: Entry, before: str) -> str:
    """Versions until 0.1 hashed the values, sorted by key, and not the bytes."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()


def _as_written(one: Line) -> bytes:
    """The bytes that those versions wrote for a line; only the order of keys is not checked."""
    text = json.dumps({**one.fields, "hash": one.hash}, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"
