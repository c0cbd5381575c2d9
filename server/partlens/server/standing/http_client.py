"""Requests to one web address, through the proxy set in the environment, if any."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from partlens.client import address as addresses
from partlens.client import proxies
from partlens.client.errors import AddressError
from partlens.runtime.errors import SettingsError

_SECONDS = 10.0
"""Time for a whole request, until its status has come."""
_BODY_SECONDS, _BODY_BYTES = 1.0, 64 * 2**10
"""How much of a response's body is waited for and read."""


@dataclass(frozen=True)
class WebClient:
    """An HTTP client and its route.

    Attributes:
        way: host, port and proxy, without path or password.
    """

    client: httpx.AsyncClient
    way: str

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of the response to a POST. Its body is neither decompressed nor kept.

        Raises:
            httpx.HTTPError, TimeoutError: no status came within 10 seconds.
        """
        ask = self.client.stream("POST", url, content=body, headers=dict(headers), timeout=_SECONDS)
        async with asyncio.timeout(_SECONDS), ask as answer:
            await _drain(answer)
            return answer.status_code


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


async def _drain(answer: httpx.Response) -> None:
    """Reads a short body, so that its connection can be used again; leaves a long or slow one."""
    read = 0
    with suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in answer.aiter_raw():
                read += len(part)
                if read > _BODY_BYTES:
                    return
