"""The audit log's lines: each carries a hash over itself and all before it.

A line that is changed, taken out, put in or moved breaks the chain from there on. Lines cut off at
the end, and a chain made anew from some line on, can only be seen by who kept an earlier head.
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
        entries: how many.
        head: hash of the last.
        torn_bytes: what a killed server left behind the last line, never acknowledged.
    """

    entries: int
    head: str
    torn_bytes: int


def line(entry: Entry, before: str) -> tuple[bytes, str]:
    """An entry as the line behind the one whose hash is `before`, and its own hash.

    >>> line({"who": "a"}, GENESIS)[0] == line({"who": "a"}, "1" * 64)[0]
    False
    """
    hash = _hash(entry, before)
    return json.dumps({**entry, "hash": hash}, ensure_ascii=False).encode() + b"\n", hash


def verify(path: Path, contains: tuple[int, str] | None = None) -> Verified:
    """Checks a whole log.

    Args:
        contains: (entries, head) of an earlier time, which this log must go on from.

    Raises:
        AuditError: it cannot be read or a line does not fit; names the line.
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
                        f"{path}, line {count}: its hash is {head}, and was {contains[1]}: some"
                        " line up to here is not what it was"
                    )
    except OSError as error:
        raise AuditError(f"{path} cannot be read: {error.strerror}") from error
    if contains and contains[0] > count:
        raise AuditError(f"{path} has {count} lines, and had {contains[0]}: the end was cut off")
    return Verified(count, head, torn)


def read_line(raw: bytes, where: str) -> dict[str, Any]:
    """A line's fields.

    Raises:
        AuditError: it is not one of ours.
    """
    try:
        fields = json.loads(raw)
        if isinstance(fields, dict) and isinstance(fields.get("hash"), str):
            return fields
    except (ValueError, RecursionError):
        pass
    raise AuditError(f"{where}: this is no line of an audit log")


def _checked(raw: bytes, before: str, where: str) -> str:
    fields = read_line(raw, where)
    hash = str(fields.pop("hash"))
    if _hash(fields, before) != hash:
        raise AuditError(
            f"{where}: the hash does not fit: this line was changed, or one before it was taken"
            " out, put in or moved"
        )
    return hash


def _hash(entry: Entry, before: str) -> str:
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()
