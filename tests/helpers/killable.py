"""Servers of tests that can be killed, as by a power cut, and started again."""

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

DEADLINE = 20.0


class Killable(ABC):
    """A server in a process of its own."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def start(self) -> None:
        """Returns when it answers."""

    def kill(self) -> None:
        """As a power cut does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(DEADLINE)
            self.process = None


T = TypeVar("T", bound=Killable)


@contextmanager
def running(server: T) -> Iterator[T]:
    """Runs it until the end of the context."""
    server.start()
    try:
        yield server
    finally:
        server.kill()
