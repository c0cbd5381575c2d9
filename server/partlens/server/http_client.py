"""Requests to one web address: through the proxy that the environment asks for, if any."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from partlens.client import address as addresses
from partlens.client import proxies
from partlens.client.errors import AddressError
from partlens.runtime.errors import SettingsError


@dataclass(frozen=True)
class WebClient:
    """A client, and the way that its requests go.

    Attributes:
        way: names host, port and proxy, and neither path nor password.
    """

    client: httpx.AsyncClient
    way: str


def connect(url: str) -> WebClient:
    """A client for one address. Requests to this machine never go through a proxy.

    httpx would take the proxy from the environment by itself, and on the way to this machine too.

    Raises:
        SettingsError: no such address can be, or the proxy cannot be used.
    """
    try:
        address = addresses.of_url(url, {"http": 80, "https": 443})
        proxy = proxies.between(address, proxies.http(urlsplit(url).scheme))
    except AddressError as error:
        raise SettingsError(str(error)) from error
    transport = httpx.AsyncHTTPTransport(proxy=proxy.url if proxy else None)
    way = f"{address} through {proxy}" if proxy else str(address)
    return WebClient(httpx.AsyncClient(transport=transport), way)
