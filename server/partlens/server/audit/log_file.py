"""The audit log on disk: append-only, written by one process, continued in a new file."""

import fcntl
import logging
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from partlens.common.durable import sync
from partlens.server.audit.chain import CONTINUED, Head, encoded, line
from partlens.server.audit.files import earlier, end_of, next_name
from partlens.server.audit.moments import now
from partlens.server.errors import AuditError

_log = logging.getLogger(__name__)
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOCTTY | os.O_NONBLOCK

ROTATED = "rotated"


class LogFile:
    """Appends lines to a file and syncs them. Blocks; for one thread at a time.

    Before each write it looks whether the file is still at its path and has the size that it left.
    If not, it continues the chain in a new file whose first line says why.

    Args:
        most_bytes: size from which the log is rotated; 0 for never.
        continued: called with the reason when the log is continued in a new file.
    """

    def __init__(
        self, path: Path, most_bytes: int = 0, continued: Callable[[str], None] = lambda why: None
    ) -> None:
        self.path = path
        self._most, self._continued = most_bytes, continued
        self._file, self._head, self._size = -1, Head(), 0

    def open(self) -> None:
        """Locks the file for this process, and removes an incomplete last line.

        Raises:
            AuditError: the file cannot be used, or another process has locked it.
        """
        try:
            self._file = self._locked(self.path)
            torn = self._recover()
            if torn:
                _log.warning("%s: cut %d bytes of a line never acknowledged", self.path, torn)
                self.write([encoded({"at": now(), "event": "cut a torn line", "bytes": torn})])
        except OSError as error:
            self.close()
            raise AuditError(f"{self.path} cannot be written: {error.strerror}") from error
        except AuditError:
            self.close()
            raise

    def write(self, entries: Sequence[bytes]) -> int:
        """Appends encoded entries; they are on disk when this returns.

        Returns:
            The number of the first of them in the chain.

        Raises:
            OSError: the disk refused them; the file has no part of them.
            AuditError: the log is closed.
        """
        self.look()
        if self._most and self._size >= self._most:
            try:
                self.rotate()
            except OSError as error:
                _log.warning("%s cannot be rotated: %s", self.path, error)
        first, head, lines = self._head.entries + 1, self._head, b""
        for entry in entries:
            text, head = line(entry, head)
            lines += text
        try:
            _write_all(self._file, lines)
            os.fsync(self._file)
        except BaseException:
            os.ftruncate(self._file, self._size)
            raise
        self._head, self._size = head, self._size + len(lines)
        return first

    def look(self) -> None:
        """Continues in a new file if someone else moved, removed or changed this one.

        Raises:
            OSError: the new file cannot be written.
            AuditError: the log is closed.
        """
        if self._file < 0:
            raise AuditError(f"{self.path} is closed")
        if reason := self._changed():
            _log.error("the audit log %s was %s; continuing in a new file", self.path, reason)
            self._continue(reason)
            self._continued(reason)

    def rotate(self) -> None:
        """Continues in a new file; the current one keeps its lines under the next number.

        Raises:
            OSError: the new file cannot be written; the current one is still in use.
            AuditError: the log is closed.
        """
        if self._file < 0:
            raise AuditError(f"{self.path} is closed")
        if reason := self._changed():
            self._continue(reason)
        elif self._size:
            self._continue(ROTATED)

    def close(self) -> None:
        """Releases the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _changed(self) -> str:
        """How the file was changed by someone else; empty if it was not."""
        held = os.fstat(self._file)
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return "moved" if held.st_nlink else "deleted"
        if (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino):
            return "replaced"
        if held.st_size < self._size:
            return "truncated"
        return "written to by another process" if held.st_size > self._size else ""

    def _continue(self, reason: str) -> None:
        draft = self.path.with_name(f".{self.path.name}.next")
        with suppress(FileNotFoundError):
            draft.unlink()  # of a server that was killed
        text, head = line(_first(reason, self._head), self._head)
        file = self._locked(draft)
        try:
            _write_all(file, text)
            os.fsync(file)
            with suppress(FileNotFoundError):
                # What was put at this place is kept, and `audit verify` reads it.
                self.path.rename(next_name(self.path))
            draft.rename(self.path)
            sync(self.path.parent)
        except OSError:
            os.close(file)
            raise
        os.close(self._file)
        self._file, self._head, self._size = file, head, len(text)

    def _locked(self, path: Path) -> int:
        """Opens and locks a file, making sure that it is still at its path then."""
        while True:
            file = os.open(path, _FLAGS, 0o600)
            try:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise AuditError(f"{path} is not a regular file; give the audit log its own")
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(file), os.stat(path)):
                    return file
            except FileNotFoundError:
                pass
            except BlockingIOError as error:
                os.close(file)
                raise AuditError(
                    f"another server is writing the audit log {path}; give each server its own"
                    " (the setting access.audit_log)"
                ) from error
            except (OSError, AuditError):
                os.close(file)
                raise
            os.close(file)  # rotated by another server meanwhile

    def _recover(self) -> int:
        """Finds the end of the chain; returns how many bytes of a torn line were cut."""
        self._size = os.fstat(self._file).st_size
        head, torn = end_of(self.path)
        if torn:
            self._size -= torn
            os.ftruncate(self._file, self._size)
        if head is not None:
            self._head = head
        elif older := earlier(self.path):
            self._head = end_of(older[-1].path)[0] or Head()
            self.write([_first("missing at start", self._head)])
        return torn


def _first(reason: str, after: Head) -> bytes:
    """The first entry of a file that continues the chain."""
    entry = {"at": now(), "event": CONTINUED, "reason": reason, "after": after.hash}
    return encoded(entry)


def _write_all(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]
