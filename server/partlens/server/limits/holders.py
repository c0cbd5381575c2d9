"""Who holds a share of something: a token, or the network that a call comes from."""

from collections import Counter
from functools import lru_cache
from ipaddress import ip_address, ip_network
from urllib.parse import unquote

_IPV6_NETWORK = 64
_PEERS = 4096
"""Callers whose network is remembered: a call needs it several times."""


class Holders:
    """Counts what each holder has; remembers only those that have something.

    Args:
        most: most that one holder may have.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._held)

    def full(self, holder: str) -> bool:
        """Whether a holder has all it may have; nobody, "", is not limited."""
        return bool(holder) and self._held[holder] >= self.most

    def take(self, holder: str) -> None:
        """Counts one more."""
        self._held[holder] += 1

    def give(self, holder: str) -> None:
        """Counts one less."""
        self._held[holder] -= 1
        if self._held[holder] <= 0:
            del self._held[holder]


def share_of(most: int, share: float) -> int:
    """A share of a limit, at least 1.

    >>> share_of(64, 0.5), share_of(1, 0.5)
    (32, 1)
    """
    return max(1, int(most * share))


@lru_cache(_PEERS)
def network(peer: str) -> str:
    """The network of a caller, as gRPC names it: an IPv4 address, or the /64 network that one IPv6
    site has. "" for this machine, whose proxies and programs are not limited.

    >>> network("ipv4:192.0.2.7:50123"), network("ipv6:%5B2001:db8::7%5D:50123")
    ('192.0.2.7', '2001:db8::/64')
    >>> network("ipv4:127.0.0.1:50123"), network("unix:")
    ('', '')
    """
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return ""
    try:
        address = ip_address(unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0])
    except ValueError:
        return peer
    mapped = getattr(address, "ipv4_mapped", None)
    if (mapped or address).is_loopback:
        return ""
    if mapped is not None or address.version == 4:
        return str(mapped or address)
    return str(ip_network((address, _IPV6_NETWORK), strict=False))
