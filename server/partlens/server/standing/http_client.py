"""Requests to one web address, through the proxy set in the environment, if any."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from partlens.client import address as addresses
from partlens.client import proxies
from partlens.client.errors import AddressError
from partlens.runtime.errors import SettingsError


@dataclass(frozen=True)
class WebClient:
    """An HTTP client and its route.

    Attributes:
        way: host, port and proxy, without path or password.
    """

    client: httpx.AsyncClient
    way: str


def connect(url: str) -> WebClient:
    """A client for one address. Requests to this machine never go through a proxy.

    httpx would read the proxy from the environment itself, but use it for this machine as well.

    Raises:
        SettingsError: the address is invalid, or the proxy cannot be used.
    """
    try:
        address = addresses.of_url(url, {"http": 80, "https": 443})
        proxy = proxies.between(address, proxies.http(urlsplit(url).scheme))
    except AddressError as error:
        raise SettingsError(str(error)) from error
    transport = httpx.AsyncHTTPTransport(proxy=proxy.url if proxy else None)
    way = f"{address} through {proxy}" if proxy else str(address)
    return WebClient(httpx.AsyncClient(transport=transport), way)
