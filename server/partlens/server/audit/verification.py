"""Verifies an audit log over all its files."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from partlens.server.audit.chain import BEGUN, Head, Line, followed
from partlens.server.audit.files import Part, earlier, end_of, start_of
from partlens.server.audit.log_file import ROTATED
from partlens.server.errors import AuditError

_TRIES, _PAUSE = 30, 0.01
"""Most tries if the log is rotated meanwhile, and seconds between them, longer each time."""


@dataclass(frozen=True)
class Verified:
    """A chain that holds.

    Attributes:
        entries: number of entries, with those in files that are no longer here.
        head: hash of the last entry.
        torn_bytes: bytes of an incomplete last line, left by a killed server, never acknowledged.
        missing: number of entries at the start whose files are no longer here.
        files: the files that were read, oldest first.
        unfinished: a text for each change whose outcome was not recorded.
        incidents: a text for each time that someone else moved, removed or changed the log.
    """

    entries: int
    head: str
    torn_bytes: int
    missing: int = 0
    files: Sequence[Path] = ()
    unfinished: Sequence[str] = ()
    incidents: Sequence[str] = ()


@dataclass
class _Reading:
    """What has been read so far."""

    head: Head
    torn: int = 0
    begun: dict[int, str] = field(default_factory=dict[int, str])
    incidents: list[str] = field(default_factory=list[str])

    def note(self, one: Line, number: int) -> None:
        fields = one.fields
        if fields.get("outcome") == BEGUN:
            what = f"{fields.get('method')} of request {fields.get('request')}"
            self.begun[number] = f"entry {number}, {what} at {fields.get('at')}"
        elif isinstance(begun := fields.get("begun"), int):
            self.begun.pop(begun, None)
        if one.after() is not None and (reason := fields.get("reason")) != ROTATED:
            self.incidents.append(f"entry {number}, at {fields.get('at')}: the log was {reason}")


def verify(path: Path, contains: tuple[int, str] | None = None) -> Verified:
    """Verify a whole log: PATH and the files that it continues.

    Args:
        contains: an earlier (entries, head) that this log must contain.

    Raises:
        AuditError: the log cannot be read, or a line breaks the chain; names the line.
    """
    for tries in range(1, _TRIES + 1):
        before = _identity(path)
        try:
            found = _verified(path, contains)
        except AuditError:
            if _identity(path) == before:
                raise
        else:
            if _identity(path) == before:
                return found
        # A server rotated the log meanwhile, so a file may have been missed.
        time.sleep(_PAUSE * tries)
    raise AuditError(f"{path} was rotated again while each of {_TRIES} tries to verify it ran")


def _verified(path: Path, contains: tuple[int, str] | None) -> Verified:
    try:
        parts = _parts(path)
        missing = parts[0].start if parts else Head()
        reading = _Reading(missing)
        for part in parts:
            _require_follows(part, reading.head)
            for one in _lines(part, reading):
                reading.note(one, reading.head.entries)
                _require_contained(contains, reading.head, part.path)
    except OSError as error:
        raise AuditError(f"{path} cannot be read: {error.strerror}") from error
    if contains:
        _require_reached(contains, missing, reading.head, path)
    return Verified(
        reading.head.entries,
        reading.head.hash,
        reading.torn,
        missing.entries,
        [part.path for part in parts],
        list(reading.begun.values()),
        reading.incidents,
    )


def _parts(path: Path) -> list[Part]:
    parts = earlier(path)
    try:
        start = start_of(path)
    except FileNotFoundError:
        if not parts:
            raise
        return parts
    # Without a whole line it still may have an incomplete one.
    return [*parts, Part(path, _end(parts) if start is None else start)]


def _end(parts: Sequence[Part]) -> Head:
    return (end_of(parts[-1].path)[0] or Head()) if parts else Head()


def _require_follows(part: Part, head: Head) -> None:
    if part.start == head:
        return
    if part.start.entries > head.entries:
        raise AuditError(
            f"{part.path} continues after entry {part.start.entries}, but the files before it end"
            f" with entry {head.entries}: a file is missing, or its end was cut off"
        )
    raise AuditError(
        f"{part.path} continues after entry {part.start.entries} with hash {part.start.hash}, but"
        f" the files before it have {head.entries} entries and hash {head.hash}: one of them was"
        " changed, or is not of this log"
    )


def _lines(part: Part, reading: _Reading) -> Iterator[Line]:
    """The lines of a file, each checked; moves the reading's head."""
    with part.path.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            if not raw.endswith(b"\n"):
                reading.torn += len(raw)
                return
            one, reading.head = followed(raw, reading.head, f"{part.path}, line {number}")
            yield one


def _require_contained(contains: tuple[int, str] | None, head: Head, path: Path) -> None:
    if contains and contains[0] == head.entries and contains[1] != head.hash:
        raise AuditError(
            f"{path}, entry {head.entries}: its hash is {head.hash}, but was {contains[1]}: this"
            " entry or one before it was changed"
        )


def _require_reached(contains: tuple[int, str], missing: Head, head: Head, path: Path) -> None:
    if contains[0] > head.entries:
        raise AuditError(
            f"{path} has {head.entries} entries, but had {contains[0]}: the end was cut off"
        )
    if contains[0] < missing.entries or (
        contains[0] == missing.entries and contains[1] != missing.hash
    ):
        raise AuditError(
            f"{path} begins after entry {missing.entries}; put the files with earlier entries in"
            f" {path.parent} to compare entry {contains[0]}"
        )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino
