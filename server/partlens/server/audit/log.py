"""The audit log of a running server."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from partlens.runtime.tasks import end
from partlens.server.audit.chain import Entry, encoded
from partlens.server.audit.log_file import LogFile
from partlens.server.audit.moments import now
from partlens.server.errors import AuditError

_log = logging.getLogger(__name__)
_AGAIN = 1.0
"""Seconds between two tries to write after a failure."""

Tell = Callable[[str | None], None]


class AuditLog:
    """Appends entries. Entries that arrive during a write share the next write and its fsync.

    After a failure it tries again every second, so that it recovers without a call.

    Args:
        most_bytes: size from which the log is rotated; 0 for never.
        tell: called with the reason when the log cannot be written, and with None when it can be
            again.
        continued: called, on a thread, with the reason when the log is continued in a new file
            because someone else moved, removed or changed it.
    """

    def __init__(
        self,
        path: Path,
        most_bytes: int = 0,
        tell: Tell = lambda trouble: None,
        continued: Callable[[str], None] = lambda why: None,
    ) -> None:
        self.path = path
        self._disk = LogFile(path, most_bytes, continued)
        self._tell, self._failing = tell, False
        self._waiting: list[tuple[bytes, asyncio.Future[int]]] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._trying: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "partlens-audit")

    def open(self) -> None:
        """Locks the file for this process, and removes an incomplete last line.

        Raises:
            AuditError: the file cannot be used, or another process has locked it.
        """
        self._disk.open()

    async def append(self, entry: Entry) -> int:
        """Appends an entry. It is written to disk even if the caller is cancelled meanwhile.

        Returns:
            Its number in the chain, from 1.

        Raises:
            AuditError: the entry cannot be written; the file has no part of it.
        """
        written: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((encoded(entry), written))
        if self._idle.is_set():
            self._write_waiting()
        return await written

    async def rotate(self) -> None:
        """Continues in a new file, for example when a program that moves logs asks for it."""
        await self._on_disk(self._disk.rotate)

    async def look(self) -> None:
        """Notices a log that someone else moved, removed or changed, without a call."""
        await self._on_disk(self._disk.look)

    async def close(self) -> None:
        """Waits for pending entries and releases the file."""
        if self._trying is not None:
            await end(self._trying)
        await self._idle.wait()
        self._thread.shutdown()
        self._disk.close()

    def _write_waiting(self) -> None:
        """Write what waits, then what has come to wait meanwhile."""
        if not self._waiting:
            self._idle.set()
            return
        self._idle.clear()
        batch, self._waiting = self._waiting, []
        loop, written = asyncio.get_running_loop(), [one for _, one in batch]

        def write() -> None:
            try:
                first = self._disk.write([fields for fields, _ in batch])
            except Exception as error:
                # Whatever it is: these calls fail, and the next ones are tried.
                loop.call_soon_threadsafe(self._end, written, self._failed(error))
            else:
                loop.call_soon_threadsafe(self._end, written, first)

        try:
            self._thread.submit(write)
        except RuntimeError:
            closed = AuditError(f"{self.path}: the log is closed")
            for one in written:
                one.set_exception(closed)
            self._idle.set()

    def _end(self, written: list["asyncio.Future[int]"], outcome: int | AuditError) -> None:
        if isinstance(outcome, AuditError):
            self._fail(outcome, written)
        else:
            self._succeed(outcome, written)
        self._write_waiting()

    async def _on_disk(self, do: Callable[[], None]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, do)
        except Exception as error:
            self._fail(self._failed(error), [])

    def _failed(self, error: Exception) -> AuditError:
        if isinstance(error, AuditError):
            return error
        if isinstance(error, OSError):
            return AuditError(f"{self.path} cannot be written: {error.strerror}")
        _log.exception("the audit log %s", self.path, exc_info=error)
        return AuditError(f"{self.path} cannot be written: {type(error).__name__}: {error}")

    def _succeed(self, first: int, written: list["asyncio.Future[int]"]) -> None:
        for number, one in enumerate(written, first):
            if not one.cancelled():
                one.set_result(number)
        if self._failing:
            self._failing = False
            self._tell(None)

    def _fail(self, error: AuditError, written: list["asyncio.Future[int]"]) -> None:
        for one in written:
            if not one.cancelled():
                one.set_exception(error)
        if not self._failing:
            self._failing = True
            self._tell(str(error))
            self._trying = asyncio.create_task(self._try_again(now()))

    async def _try_again(self, since: str) -> None:
        """Records that the log could not be written, as soon as it can be."""
        while self._failing:
            await asyncio.sleep(_AGAIN)
            with suppress(AuditError):
                await self.append({"at": now(), "event": "could not be written", "since": since})


def beside(gallery: Path) -> Path:
    """The default path of a gallery's audit log.

    >>> beside(Path("data/people")).as_posix()
    'data/people.audit.jsonl'
    """
    return gallery.with_name(f"{gallery.name}.audit.jsonl")
