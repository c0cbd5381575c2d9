"""The proxy set in the environment. Connections to this machine never use one."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from partlens.client import address as addresses
from partlens.client.address import Address
from partlens.client.errors import AddressError


@dataclass(frozen=True)
class Rule:
    """The environment variables for one kind of connection.

    Attributes:
        proxies: the first variable that is set names the proxy; "" means none.
        exceptions: the first variable that is set lists hosts to reach without a proxy.
    """

    proxies: Sequence[str]
    exceptions: Sequence[str]


GRPC = Rule(
    ("grpc_proxy", "https_proxy", "HTTPS_PROXY", "http_proxy"),
    ("no_grpc_proxy", "no_proxy", "NO_PROXY"),
)
"""As documented by gRPC, and the names in capitals that other programs read. Not HTTP_PROXY: under
CGI a caller's header would set it."""


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy; str() names it without its password.

    Attributes:
        url: http://[USER:PASSWORD@]HOST:PORT.
        address: host and port of the proxy.
        variable: environment variable that names the proxy.
    """

    url: str = field(repr=False)
    address: Address
    variable: str

    def __str__(self) -> str:
        return f"the proxy {self.address} (from {self.variable})"


def http(scheme: str) -> Rule:
    """The rule for requests to http:// or https:// addresses."""
    names = [f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"]
    if os.environ.get("REQUEST_METHOD"):
        names.remove("HTTP_PROXY")  # under CGI a caller's header would set it
    return Rule(names, ("no_proxy", "NO_PROXY"))


def between(target: Address, rule: Rule) -> Proxy | None:
    """The proxy for a connection; None for a direct connection.

    Raises:
        AddressError: the environment names a proxy that cannot be used.
    """
    variable = next((name for name in rule.proxies if name in os.environ), "")
    url = os.environ.get(variable, "").strip()
    if not url or target.is_this_machine or _is_excepted(target, rule):
        return None
    if "://" not in url:
        url = f"http://{url}"
    try:
        return Proxy(url, addresses.of_url(url, {"http": 80}), variable)
    except AddressError as error:
        # Not quoted: it may hold a password.
        raise AddressError(
            f"the proxy that the environment variable {variable} names",
            f"cannot be used: it {error.problem}. Set it to http://HOST:PORT, or add"
            f" {target.host} to {rule.exceptions[0]} to connect without a proxy",
        ) from None


def _is_excepted(target: Address, rule: Rule) -> bool:
    listed = next((os.environ[name] for name in rule.exceptions if name in os.environ), "")
    return any(_covers(one.strip().lower(), target) for one in listed.split(","))


def _covers(entry: str, target: Address) -> bool:
    host = target.host.lower().removesuffix(".")
    name = entry.removeprefix("*").removeprefix(".").removesuffix(f":{target.port}")
    if entry == "*" or (name and (host == name or host.endswith(f".{name}"))):
        return True
    try:
        return target.ip is not None and target.ip in ip_network(name.strip("[]"), strict=False)
    except ValueError:
        return False
