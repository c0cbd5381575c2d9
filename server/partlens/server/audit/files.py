"""The files of one audit log: the current one, and those that it continues."""

import re
from dataclasses import dataclass
from pathlib import Path

from partlens.server.audit.chain import Head, read_line
from partlens.server.errors import AuditError

_LONGEST_LINE = 2**20
_CHUNK = 2**20


@dataclass(frozen=True)
class Part:
    """One file of a log.

    Attributes:
        start: end of the file before it, as its first line says.
    """

    path: Path
    start: Head


def earlier(path: Path) -> list[Part]:
    """The files that a log continues, oldest first: LOG.1, LOG.000001, LOG-20260101 and so on.

    Raises:
        AuditError: one of them is not an audit log, or cannot be read.
    """
    rotated = re.compile(re.escape(path.name) + r"[.-][0-9]+")
    try:
        found = [one for one in path.parent.iterdir() if rotated.fullmatch(one.name)]
        parts = [Part(one, start) for one in found if (start := start_of(one)) is not None]
    except OSError as error:
        raise AuditError(f"{path.parent} cannot be read: {error.strerror}") from error
    return sorted(parts, key=lambda part: (part.start.entries, part.path.name))


def next_name(path: Path) -> Path:
    """A free name for the current file when it is rotated.

    >>> next_name(Path("none/log")).name
    'log.000001'
    """
    rotated = re.compile(re.escape(path.name) + r"\.([0-9]+)")
    there = path.parent.iterdir() if path.parent.is_dir() else ()
    numbers = [int(match[1]) for one in there if (match := rotated.fullmatch(one.name))]
    return path.with_name(f"{path.name}.{max(numbers, default=0) + 1:06d}")


def start_of(path: Path) -> Head | None:
    """The end of the file that a file continues; None if it has no whole line.

    Raises:
        AuditError: it is not an audit log.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        first = file.readline(_LONGEST_LINE)
    if not first.endswith(b"\n"):
        return None
    return read_line(first, f"{path}, line 1").after() or Head()


def end_of(path: Path) -> tuple[Head | None, int]:
    """The head at the end of a file, and the bytes after its last whole line.

    Reads the end only, except of a file of format 1. Does not verify the chain.

    Returns:
        The head is None if the file has no whole line.

    Raises:
        AuditError: it is not an audit log.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        begin = max(0, size - _LONGEST_LINE)
        file.seek(begin)
        tail = file.read(size - begin)
        end = tail.rfind(b"\n") + 1
        if not end:
            if begin:
                raise AuditError(f"{path}: its last line has no end; this is not an audit log")
            return None, len(tail)
        last = tail[tail.rfind(b"\n", 0, end - 1) + 1 : end]
        one = read_line(last, f"{path}, last line")
        number = one.number
        if number is None:
            file.seek(0)
            number = (start_of(path) or Head()).entries
            while chunk := file.read(_CHUNK):
                number += chunk.count(b"\n")
        return Head(number, one.hash), len(tail) - end
