"""The lines of the audit log: each has a hash over itself and all lines before it.

Changing, removing, inserting or moving a line breaks the chain from there on. A truncated log, or a
chain rewritten from some line on, can be detected only with an earlier head.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partlens.server.errors import AuditError

GENESIS = "0" * 64
Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Verified:
    """A chain that holds.

    Attributes:
        entries: number of entries.
        head: hash of the last entry.
        torn_bytes: bytes of an incomplete last line, left by a killed server, never acknowledged.
    """

    entries: int
    head: str
    torn_bytes: int


def line(entry: Entry, before: str) -> tuple[bytes, str]:
    """The line for an entry, where `before` is the previous line's hash, and the new hash.

    >>> line({"who": "a"}, GENESIS)[0] == line({"who": "a"}, "1" * 64)[0]
    False
    """
    hash = _hash(entry, before)
    return json.dumps({**entry, "hash": hash}, ensure_ascii=False).encode() + b"\n", hash


def verify(path: Path, contains: tuple[int, str] | None = None) -> Verified:
    """Verify a whole log.

    Args:
        contains: an earlier (entries, head) that this log must contain.

    Raises:
        AuditError: the log cannot be read, or a line breaks the chain; names the line.
    """
    count, head, torn = 0, GENESIS, 0
    try:
        with path.open("rb") as lines:
            for raw in lines:
                if not raw.endswith(b"\n"):
                    torn = len(raw)
                    break
                count, head = count + 1, _checked(raw, head, f"{path}, line {count + 1}")
                if contains and contains[0] == count and contains[1] != head:
                    raise AuditError(
                        f"{path}, line {count}: its hash is {head}, but was {contains[1]}: this"
                        " line or one before it was changed"
                    )
    except OSError as error:
        raise AuditError(f"{path} cannot be read: {error.strerror}") from error
    if contains and contains[0] > count:
        raise AuditError(f"{path} has {count} lines, but had {contains[0]}: the end was cut off")
    return Verified(count, head, torn)


def read_line(raw: bytes, where: str) -> dict[str, Any]:
    """A line's fields.

    Raises:
        AuditError: it is not a line of an audit log.
    """
    try:
        fields = json.loads(raw)
        if isinstance(fields, dict) and isinstance(fields.get("hash"), str):
            return fields
    except (ValueError, RecursionError):
        pass
    raise AuditError(f"{where}: this is not a line of an audit log")


def _checked(raw: bytes, before: str, where: str) -> str:
    fields = read_line(raw, where)
    hash = str(fields.pop("hash"))
    if _hash(fields, before) != hash:
        raise AuditError(
            f"{where}: the hash does not match: this line was changed, or a line before it was"
            " removed, inserted or moved"
        )
    return hash


def _hash(entry: Entry, before: str) -> str:
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()
