"""The audit log as a file: append-only, written by one process."""

import asyncio
import fcntl
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from partlens.server.audit.chain import GENESIS, Entry, line, read_line
from partlens.server.errors import AuditError

_log = logging.getLogger(__name__)
_LONGEST_LINE = 2**20


class AuditLog:
    """Appends entries. Entries that arrive during a write share the next write and its fsync."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[tuple[Entry, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "partlens-audit")
        self._file, self._head = -1, GENESIS

    def open(self) -> None:
        """Locks the file for this process, and removes an incomplete last line.

        Raises:
            AuditError: the file cannot be used, or another process has locked it.
        """
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            self._file = -1
            raise AuditError(
                f"another server is writing the audit log {self.path}; give each server its own"
                " (the setting access.audit_log)"
            ) from error
        except OSError as error:
            raise AuditError(f"{self.path} cannot be written: {error.strerror}") from error
        self._head, torn = self._recover()
        if torn:
            _log.warning("%s: cut %d bytes of a line never acknowledged", self.path, torn)
            self._write([{"at": now(), "event": "cut a torn line", "bytes": torn}])

    async def append(self, entry: Entry) -> None:
        """Appends an entry. It is written to disk even if the caller is cancelled meanwhile.

        Raises:
            AuditError: the entry cannot be written; the file has no part of it.
        """
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        await asyncio.shield(written)

    async def close(self) -> None:
        """Waits for pending entries and releases the file."""
        if self._writing is not None:
            await self._writing
        self._thread.shutdown()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            failed: AuditError | None = None
            try:
                await loop.run_in_executor(self._thread, self._write, [one for one, _ in batch])
            except OSError as error:
                failed = AuditError(f"{self.path} cannot be written: {error.strerror}")
            for _, written in batch:
                if not written.cancelled():
                    written.set_exception(failed) if failed else written.set_result(None)
        self._writing = None

    def _write(self, entries: Sequence[Entry]) -> None:
        head, lines = self._head, b""
        for entry in entries:
            text, head = line(entry, head)
            lines += text
        size = os.fstat(self._file).st_size
        try:
            left = memoryview(lines)
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, size)
            raise
        self._head = head

    def _recover(self) -> tuple[str, int]:
        """The hash of the last whole line, and how many bytes of a torn line were cut after it."""
        size = os.fstat(self._file).st_size
        start = max(0, size - _LONGEST_LINE)
        tail = os.pread(self._file, size - start, start)
        end = tail.rfind(b"\n") + 1
        torn = len(tail) - end
        if not end:
            if start:
                raise AuditError(f"{self.path}: its last line has no end; this is not an audit log")
            head = GENESIS
        else:
            last = tail[tail.rfind(b"\n", 0, end - 1) + 1 : end]
            head = str(read_line(last, f"{self.path}, last line")["hash"])
        if torn:
            os.ftruncate(self._file, size - torn)
        return head, torn


def now() -> str:
    """The current time in the log's format."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def beside(gallery: Path) -> Path:
    """The default path of a gallery's audit log.

    >>> beside(Path("data/people")).as_posix()
    'data/people.audit.jsonl'
    """
    return gallery.with_name(f"{gallery.name}.audit.jsonl")
