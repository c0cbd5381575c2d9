"""Test servers that can be killed, as by a power cut, and restarted."""

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

DEADLINE = 20.0


class Killable(ABC):
    """A server in its own process."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def start(self) -> None:
        """Start the server; returns once it answers."""

    def kill(self) -> None:
        """Kill the server, as a power cut does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(DEADLINE)
            self.process = None


T = TypeVar("T", bound=Killable)


@contextmanager
def running(server: T) -> Iterator[T]:
    """Run a server until the end of the context."""
    server.start()
    try:
        yield server
    finally:
        server.kill()
