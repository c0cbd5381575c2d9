"""Snapshots of tracked objects, over Frigate's HTTP API."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from partlens.server.config.sections import BridgeSection, LimitsSection
from partlens.server.errors import SettingsError, SnapshotError

_SECONDS = 10.0
"""That one answer may take."""
_ENDED = ("snapshot-clean.webp", "snapshot-clean.png", "snapshot.jpg")
"""Whole frames without anything drawn on them, as new and as older versions call them; last what
every version has, drawn on and cropped as its configuration says."""
_TRACKED = ("snapshot.jpg",)
"""Of an object that is still tracked: drawn for the request, so that parameters count."""
_PLAIN = {"bbox": "0", "timestamp": "0", "crop": "0", "quality": "95"}


class FrigateApi:
    """Fetches snapshots. Follows no redirect, and reads no more than a picture may have.

    Args:
        settings: where Frigate is, and the token that it wants.
        limits: of a picture.

    Raises:
        SettingsError: the token or the authority's file cannot be read.
    """

    def __init__(self, settings: BridgeSection, limits: LimitsSection) -> None:
        self._base, self._limits = settings.frigate.rstrip("/"), limits
        headers = {}
        try:
            if settings.frigate_token_file is not None:
                token = settings.frigate_token_file.read_text(encoding="utf-8").strip()
                headers["authorization"] = f"Bearer {token}"
            httpx.URL(self._base)
            self._client = httpx.AsyncClient(
                headers=headers,
                timeout=_SECONDS,
                follow_redirects=False,
                verify=True if settings.frigate_ca is None else _context(settings),
            )
        except (OSError, ValueError, httpx.InvalidURL) as error:
            raise SettingsError(f"section bridge of the settings: {error}") from error

    async def snapshot(self, id: str, *, ended: bool) -> tuple[bytes, str]:
        """The best frame of a tracked object: the encoded picture, and where it lies.

        Args:
            id: of the object; nothing but letters, digits, dots, dashes and underscores.
            ended: whether it is tracked no more.

        Raises:
            SnapshotError: Frigate has none (any more, or yet), or cannot be asked.
        """
        error = SnapshotError("no snapshot", passing=False)
        for name in _ENDED if ended else _TRACKED:
            address = f"{self._base}/api/events/{id}/{name}"
            try:
                return await self._get(address), address
            except SnapshotError as found:
                error = found
                if found.away:
                    break
        raise error

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._client.aclose()

    async def _get(self, address: str) -> bytes:
        parameters = _PLAIN if address.endswith("snapshot.jpg") else {}
        async with self._answer(address, parameters) as answer:
            if answer.status_code in (401, 403):
                raise SnapshotError(
                    f"Frigate refuses us ({answer.status_code}); give bridge.frigate_token_file",
                    away=True,
                )
            if answer.status_code != 200:
                raise SnapshotError(f"{address} gave status {answer.status_code}")
            data = bytearray()
            async for part in answer.aiter_bytes():
                data += part
                if len(data) > self._limits.request_bytes:
                    raise SnapshotError(
                        f"{address} has more than {self._limits.request_bytes} bytes", passing=False
                    )
            return bytes(data)

    @asynccontextmanager
    async def _answer(
        self, address: str, parameters: dict[str, str]
    ) -> AsyncIterator[httpx.Response]:
        try:
            async with self._client.stream("GET", address, params=parameters) as answer:
                yield answer
        except httpx.HTTPError as error:
            kind = type(error).__name__
            raise SnapshotError(f"Frigate does not answer: {kind} {error}", away=True) from error


def _context(settings: BridgeSection) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(settings.frigate_ca))
