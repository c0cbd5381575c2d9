"""A listening socket that keeps a bounded number of connections."""

import socket
import weakref
from typing import Any

from partlens.client import address as addresses
from partlens.client.errors import AddressError
from partlens.runtime.errors import ListenError

_BACKLOG = 128


class Listener(socket.socket):
    """Closes connections above the most as soon as they are made.

    They are counted from here, and not from their first request, so that those in a TLS handshake
    count too.

    Attributes:
        most: most connections.
        open: connections now.
    """

    most = 1

    def __init__(self, *arguments: Any, **others: Any) -> None:
        super().__init__(*arguments, **others)
        self._accepted = weakref.WeakSet[socket.socket]()

    @property
    def open(self) -> int:
        """Connections now."""
        return sum(one.fileno() >= 0 for one in self._accepted)

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection that there is room for; BlockingIOError if there is none."""
        while True:
            connection, address = super().accept()
            if self.open < self.most:
                self._accepted.add(connection)
                return connection, address
            connection.close()


def listener(listen: str, most: int) -> Listener:
    """A socket that listens on an address.

    Args:
        listen: "host:port"; port 0 picks a free port.
        most: most connections.

    Raises:
        ListenError: the address cannot be listened on.
    """
    try:
        address = addresses.parse(listen, listening=True)
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = Listener(family, kind, protocol)
    except (OSError, AddressError) as error:
        raise _failure(listen, error) from error
    try:
        made.most = most
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and socket.has_dualstack_ipv6():
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(where)
        made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError as error:
        made.close()
        raise _failure(listen, error) from error
    return made


def _failure(listen: str, error: Exception) -> ListenError:
    return ListenError(
        f"cannot serve HTTP on {listen}: {error}; give --http an address of this machine and a"
        " port that no other process uses"
    )
