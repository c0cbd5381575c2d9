"""An HTTP proxy on loopback that records what it receives."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SECONDS = 10.0


class Proxy:
    """Gives every request the same response; a tunnel that it accepts leads nowhere.

    Attributes:
        url: URL of the proxy, with a user and the password "hidden".
        got: first bytes of each connection that sent any.
    """

    def __init__(self, answer: bytes) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://user:hidden@127.0.0.1:{self.port}"
        self.got: list[bytes] = []
        self._answer = answer
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(_SECONDS)
        self._listening.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(_SECONDS)
                try:
                    if begun := connection.recv(65536):
                        self.got.append(begun)
                        connection.sendall(self._answer)
                except OSError:
                    continue


@contextmanager
def proxy(status: str = "403 Forbidden") -> Iterator[Proxy]:
    """A proxy that answers with a status."""
    running = Proxy(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
    try:
        yield running
    finally:
        running.close()
