"""Threads that a Ctrl-C need not wait for."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_LAST_WAIT = 1.0
"""Seconds that calls are given to end when the context is left early."""


class Workers:
    """Daemon threads that make calls: one that is stuck, say on a dead disk, never holds the exit.

    Leaving the context cancels calls that have not begun, and waits a second at most for the
    others. An executor of the standard library would wait for both.

    Args:
        threads: how many.
        name: of the threads.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._calls = queue.SimpleQueue[Callable[[], None] | None]()
        self._cancelled = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a thread make a call; the future gets what it returns or raises."""
        future: Future[T] = Future()

        def call() -> None:
            if self._cancelled.is_set():
                future.cancel()
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._calls.put(call)
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cancelled.set()
        for _thread in self._threads:
            self._calls.put(None)
        end = time.monotonic() + _LAST_WAIT
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def interruptible(call: Callable[[], T]) -> T:
    """What a call returns, made on another thread so that Ctrl-C ends the wait for it at once.

    Python handles a signal on its main thread, and not before a call into C or the system returns.
    """
    with Workers(1, "partlens-call") as workers:
        return workers.submit(call).result()
