"""Addresses: HOST:PORT wherever a server is named, and the host and port of a URL."""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from partlens.client.errors import AddressError

_EXAMPLE = "127.0.0.1:50051"
_LONGEST_SHOWN = 80
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(?:[^/?#]*@)?([^/?#@]*)")
_WAY = re.compile(r"(unix|unix-abstract|vsock|dns|ipv4|ipv6|xds):(?=/|\D|\d+\.)/*", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """Where something listens.

    Attributes:
        host: name or IP address; an IPv6 address has no brackets.
        port: 1 to 65535; 0 lets a listener pick a free port.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def ip(self) -> IPv4Address | IPv6Address | None:
        """The IP address, in any form that the system's resolver accepts; None for a name.

        >>> [str(Address(h, 1).ip) for h in ("127.1", "::ffff:127.0.0.1", "camera")]
        ['127.0.0.1', '127.0.0.1', 'None']
        """
        try:
            ip = ip_address(self.host)
        except ValueError:
            return self._short_ip()
        mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
        return mapped or ip

    @property
    def is_loopback(self) -> bool:
        """Whether the address is loopback.

        >>> [Address(h, 1).is_loopback for h in ("127.0.0.9", "::1", "localhost", "0.0.0.0", "x")]
        [True, True, True, False, False]
        """
        name = self.host.lower().removesuffix(".")
        return name == "localhost" or (self.ip is not None and self.ip.is_loopback)

    @property
    def is_this_machine(self) -> bool:
        """Whether a connection to the address stays on this machine.

        Listening on 0.0.0.0 or [::] means all interfaces; connecting to it means this machine.
        """
        name = self.host.lower().removesuffix(".")
        named = name.endswith(".localhost") or name in ("ip6-localhost", "ip6-loopback")
        return named or self.is_loopback or (self.ip is not None and self.ip.is_unspecified)

    def _short_ip(self) -> IPv4Address | None:
        # A resolver reads 127.1 and 0x7f000001 as 127.0.0.1.
        try:
            return IPv4Address(socket.inet_aton(self.host))
        except OSError:
            return None


def parse(text: object, *, listening: bool = False) -> Address:
    """The address that HOST:PORT means.

    Args:
        text: the user's input.
        listening: whether port 0 (any free port) is allowed.

    Raises:
        AddressError: the text is not HOST:PORT; the message says what to write.

    >>> str(parse("[::1]:50051"))
    '[::1]:50051'
    """
    if not isinstance(text, str):
        raise AddressError(f"{text!r:.80}", f"must be a text such as {_EXAMPLE}")
    try:
        return _parse(text, listening)
    except ValueError as error:
        raise AddressError(_shown(text), str(error)) from None


def of_url(text: str, ports: Mapping[str, int]) -> Address:
    """The host and port of a URL.

    Args:
        text: the user's input.
        ports: allowed schemes, each with its default port.

    Raises:
        AddressError: the text is not such a URL. The message omits parts that may hold a password.

    >>> str(of_url("https://hooks.example/partlens", {"https": 443}))
    'hooks.example:443'
    """
    shown = _shown(text)
    allowed = " or ".join(f"{scheme}://" for scheme in ports)
    if not text.strip() or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise AddressError(shown, f"must be one {allowed} address without blanks")
    try:
        parts = urlsplit(text)
        if parts.scheme not in ports or not text.lower().startswith(f"{parts.scheme}://"):
            raise ValueError(f"must begin with {allowed}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        known = str(error).startswith("must")
        problem = str(error) if known else "has no host and port that can be read"
        raise AddressError(shown, problem) from None
    try:
        if port == 0:
            raise ValueError("has port 0; a port is a number from 1 to 65535")
        _require_host(host, str(port or ports[parts.scheme]))
    except ValueError as error:
        raise AddressError(shown, str(error)) from None
    return Address(host, port or ports[parts.scheme])


def _parse(text: str, listening: bool) -> Address:
    if not text.strip():
        raise ValueError(f"is empty; write HOST:PORT, such as {_EXAMPLE}")
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise ValueError("has blanks or control characters in it; write HOST:PORT without them")
    if found := _WAY.match(text):
        raise ValueError(
            f"begins with {found[0]}, which is not supported; write HOST:PORT, such as {_EXAMPLE}"
        )
    if found := _URL.match(text):
        tls = ", and set tls for TLS" if found[1].lower() == "https" else ""
        raise ValueError(f"is a URL; write {found[2] or _EXAMPLE} without {found[1]}://{tls}")
    if "@" in text:
        raise ValueError(f"has an @ in it; write HOST:PORT without a user, such as {_EXAMPLE}")
    if "/" in text:
        raise ValueError(f"has a / in it; write {text.split('/')[0] or _EXAMPLE}")
    host, port = _split(text)
    _require_host(host, port)
    return Address(host, _port(port, listening))


def _split(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("has a bracket out of place; write [::1]:50051")
        if not _is_ip6(host):
            raise ValueError("has no IPv6 address in its brackets; write [::1]:50051")
        return host, _given(f"[{host}]", rest[1:])
    if text.count(":") > 1:
        host, _, port = text.rpartition(":")
        whole = f"[{text}]:50051" if _is_ip6(text) else ""
        split = f"[{host}]:{port}" if _is_ip6(host) and port.isdigit() else ""
        write = " or ".join(filter(None, (split, whole))) or "HOST:PORT, or [IPV6]:PORT"
        raise ValueError(f"has several colons; an IPv6 address needs brackets: write {write}")
    host, _, port = text.partition(":")
    if not host:
        raise ValueError(f"has no host; write HOST:PORT, such as {_EXAMPLE}")
    return host, _given(host, port)


def _given(host: str, port: str) -> str:
    if not port and host.isdecimal():
        raise ValueError(f"is only a port; write 127.0.0.1:{host}")
    if not port:
        raise ValueError(f"has no port; write {host}:PORT (`partlens serve` has 50051 by default)")
    return port


def _port(text: str, listening: bool) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else -1
    if number == 0 and not listening:
        raise ValueError("has port 0, which nothing listens on; give the port of the server")
    if not 0 <= number <= 65535:
        raise ValueError(f"has port {_shown(text)}; a port is a number from 1 to 65535")
    return number


def _require_host(host: str, port: str) -> None:
    if not host:
        raise ValueError("has no host")
    if not host.isascii():
        try:
            spelled = host.encode("idna").decode()
        except UnicodeError:
            raise ValueError("has a host with letters outside ASCII") from None
        raise ValueError(f"has letters outside ASCII; write {spelled}:{port}")
    if not _is_ip6(host) and (len(host) > 253 or not _NAME.fullmatch(host)):
        raise ValueError(
            f"has {_shown(host)} for a host, which is neither a name nor an IP address"
        )


def _is_ip6(text: str) -> bool:
    try:
        return isinstance(ip_address(text), IPv6Address)
    except ValueError:
        return False


def _shown(text: str) -> str:
    if re.search("[@?#]", text):
        return "the address"  # what comes before an @, or in a query, may be a password
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "...")
