"""Which names a server may be called by, so that no web page can reach it by a name of its own.

A page of another site can let its own name mean 127.0.0.1 (DNS rebinding). The browser then takes a
server on this machine for a part of that site. The Host header still has the site's name.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from partlens.client.address import Address

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Hosts:
    """The names that requests may have in their Host header.

    Attributes:
        names: from the settings, in lower case; loopback names are always allowed.
        locked: whether callers need a token; then any name will do, unless there are names.
        loopback: whether only this machine can connect.
    """

    names: frozenset[str]
    locked: bool
    loopback: bool

    def allows(self, host: str) -> bool:
        """Whether a Host header, such as "localhost:8080", is one of these.

        >>> mine = Hosts(frozenset(), locked=False, loopback=True)
        >>> [mine.allows(host) for host in ("localhost:80", "[::1]", "127.0.0.1:9", "evil.example")]
        [True, True, True, False]
        """
        name = _split(host, 0)[0]
        address = Address(name, 0)
        if name in self.names or address.is_loopback or name.endswith(".localhost"):
            return True
        if self.locked:
            return not self.names
        # An address in the header is never the work of a name server.
        return not self.loopback and address.ip is not None


def same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header names the server that the Host header names.

    The scheme may differ: a proxy may speak TLS for the server.

    >>> same_origin("https://a.example", "a.example"), same_origin("http://b.example", "a.example")
    (True, False)
    >>> same_origin("http://a.example:8080", "a.example"), same_origin("null", "")
    (False, False)
    """
    try:
        parts = urlsplit(origin)
    except ValueError:  # such as "http://[", which no browser sends
        return False
    if parts.scheme not in _PORTS or not parts.netloc:
        return False
    port = _PORTS[parts.scheme]
    return _split(parts.netloc, port) == _split(host, port)


def hosts(names: str, *, locked: bool, loopback: bool) -> Hosts:
    """The allowed hosts from the settings: names with spaces between them."""
    return Hosts(frozenset(names.lower().split()), locked, loopback)


def _split(host: str, port: int) -> tuple[str, str]:
    """Name and port of a Host header; the port if it has none."""
    name, colon, given = host.strip().lower().rpartition(":")
    if not colon or "]" in given:
        name, given = host.strip().lower(), ""
    return name.strip("[]").removesuffix("."), given or str(port)
