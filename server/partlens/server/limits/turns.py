"""Threads that callers take in turn."""

import asyncio
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Turns:
    """A few threads, and a queue for each holder: a holder with much work waits for itself, and the
    others for at most what is running.

    A holder uses at most all threads but one, so that one is free for the next holder. Not
    thread-safe: used from the event loop.

    Args:
        name: prefix of the threads' names.
        threads: number of threads.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, name)
        self._free, self._most = threads, max(1, threads - 1)
        self._running: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Jobs that wait for a thread."""
        return sum(map(len, self._waiting.values()))

    async def run(self, holder: str, work: Callable[[], T]) -> T:
        """Runs work on a thread when it is the holder's turn.

        If this is cancelled, waiting work is dropped; running work keeps its thread until it ends.

        Args:
            holder: who the work is for; "" if nobody in particular, who may use every thread.

        Raises:
            RuntimeError: the threads were shut down.
        """
        loop = asyncio.get_running_loop()
        await self._turn(holder)
        done: asyncio.Future[T] = loop.create_future()
        told = [done]
        try:
            running = self._executor.submit(self._work, loop, holder, told, work)
        except RuntimeError:
            self._end(holder)
            raise
        try:
            return await done
        except asyncio.CancelledError:
            if running.cancel():
                self._end(holder)
            raise
        finally:
            # It holds the exception whose traceback holds this frame: a cycle that would keep the
            # pictures of failed calls in memory until the collector comes, which may be never.
            del done

    async def run_to_its_end(
        self, holder: str, work: Callable[[], T], cancelled: Callable[[], None]
    ) -> T:
        """The same, but if this is cancelled, it waits for work that has begun.

        Args:
            cancelled: called if this is cancelled, so that the work may end early.
        """
        begun = threading.Event()

        def noted() -> T:
            begun.set()
            return work()

        running = asyncio.ensure_future(self.run(holder, noted))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            cancelled()
            if begun.is_set():
                await asyncio.wait([running])
                if not running.cancelled():
                    running.exception()  # Retrieved, or asyncio reports it: its caller is gone.
            else:
                running.cancel()
            raise
        finally:
            del running  # as in run

    def close(self) -> None:
        """Waits for running work, and drops the rest."""
        self._executor.shutdown(cancel_futures=True)

    async def _turn(self, holder: str) -> None:
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(holder, deque()).append(ticket)
        self._hand_out()
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():
                self._end(holder)
            else:
                self._forget(holder, ticket)
            raise

    def _work(
        self,
        loop: asyncio.AbstractEventLoop,
        holder: str,
        told: "list[asyncio.Future[T]]",
        work: Callable[[], T],
    ) -> None:
        """On the thread: do the work, and wake the event loop up once.

        Args:
            told: the future of the result; taken out, or the executor's frames would hold it.
        """
        try:
            result = work()
        except BaseException as error:
            loop.call_soon_threadsafe(self._fail, holder, told.pop(), error)
        else:
            loop.call_soon_threadsafe(self._succeed, holder, told.pop(), result)

    def _succeed(self, holder: str, done: "asyncio.Future[T]", result: T) -> None:
        self._end(holder)
        if not done.cancelled():
            done.set_result(result)

    def _fail(self, holder: str, done: "asyncio.Future[T]", error: BaseException) -> None:
        self._end(holder)
        if not done.cancelled():
            done.set_exception(error)

    def _end(self, holder: str) -> None:
        self._free += 1
        self._running[holder] -= 1
        if not self._running[holder]:
            del self._running[holder]
        self._hand_out()

    def _hand_out(self) -> None:
        while self._free and (holder := self._next()) is not None:
            ticket = self._waiting[holder].popleft()
            self._waiting.move_to_end(holder)
            if not self._waiting[holder]:
                del self._waiting[holder]
            if ticket.cancelled():
                continue
            self._free -= 1
            self._running[holder] += 1
            ticket.set_result(None)

    def _next(self) -> str | None:
        """The holder that has waited longest of those that may use one more thread."""
        for holder in self._waiting:
            if not holder or self._running[holder] < self._most:
                return holder
        return None

    def _forget(self, holder: str, ticket: "asyncio.Future[None]") -> None:
        queue = self._waiting.get(holder)
        if queue is not None and ticket in queue:
            queue.remove(ticket)
            if not queue:
                del self._waiting[holder]
