"""Fetches snapshots of tracked objects over Frigate's HTTP API."""

import asyncio
import json
import ssl
import time
from dataclasses import dataclass
from typing import Any

import httpx

from partlens.common.redaction import redacted
from partlens.ingest.errors import SnapshotError
from partlens.runtime.config.sections import BridgeSection, LimitsSection
from partlens.runtime.errors import SettingsError
from partlens.runtime.secret_files import read_token

_SECONDS, _SILENCE = 30.0, 10.0
"""Time limits in seconds: for a whole response, and between two of its chunks."""
_KEPT_SECONDS = 300.0
"""How long to cache Frigate's configuration, in seconds."""
_ENDED = ("snapshot-clean.webp", "snapshot-clean.png", "snapshot.jpg")
"""Names of the whole frame without drawings, in newer and older versions; then the file that every
version has, with drawings and cropping as configured."""
_TRACKED = ("snapshot.jpg",)
"""For an object that is still tracked: rendered for the request, so parameters apply."""
_PLAIN = {"bbox": "0", "timestamp": "0", "crop": "0", "quality": "95"}


@dataclass(frozen=True)
class Shot:
    """A snapshot.

    Attributes:
        data: the encoded picture.
        address: its URL.
        size: (width, height) of the frame that boxes refer to; None if Frigate does not give it.
        cropped: whether Frigate has already cropped it.
    """

    data: bytes
    address: str
    size: tuple[int, int] | None = None
    cropped: bool = False


@dataclass(frozen=True)
class _Camera:
    size: tuple[int, int] | None = None
    crops: bool = False


class FrigateApi:
    """Fetches snapshots. Follows no redirects, and reads at most limits.request_bytes.

    Args:
        settings: Frigate's address and token.
        limits: limits on a picture.

    Raises:
        SettingsError: the address, the token or the authority's file is unusable.
    """

    def __init__(self, settings: BridgeSection, limits: LimitsSection) -> None:
        self._base, self._limits = settings.frigate.rstrip("/"), limits
        self._cameras: dict[str, _Camera] = {}
        self._read_at = -_KEPT_SECONDS
        # The size of a compressed response is unknown until it is decompressed.
        headers = {"accept-encoding": "identity"}
        try:
            if settings.frigate_token_file is not None:
                token = read_token(settings.frigate_token_file, "bridge.frigate_token_file")
                headers["authorization"] = f"Bearer {token}"
            httpx.URL(self._base)
            self._client = httpx.AsyncClient(
                headers=headers,
                timeout=_SILENCE,
                follow_redirects=False,
                trust_env=False,
                verify=True if settings.frigate_ca is None else _context(settings),
            )
        except SettingsError:
            raise
        except (OSError, ValueError, httpx.InvalidURL) as error:
            raise SettingsError(redacted(f"section bridge of the settings: {error}")) from error

    async def snapshot(self, camera: str, id: str, *, ended: bool) -> Shot:
        """The best frame of a tracked object.

        Args:
            camera: camera that tracks it.
            id: id of the object: letters, digits, dots, dashes and underscores only.
            ended: whether Frigate has stopped tracking it.

        Raises:
            SnapshotError: Frigate has no snapshot (yet, or any more), or cannot be reached.
        """
        about = await self._camera(camera)
        error = SnapshotError("no snapshot", passing=False)
        for name in _ENDED if ended else _TRACKED:
            address = f"{self._base}/api/events/{id}/{name}"
            drawn = name == "snapshot.jpg"
            try:
                data = await self._get(address, _PLAIN if drawn else {})
                return Shot(data, address, about.size, about.crops and ended and drawn)
            except SnapshotError as found:
                error = found
                if found.away:
                    break
        raise error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _camera(self, name: str) -> _Camera:
        """Frigate's snapshot settings for a camera; empty if its configuration has none."""
        if time.monotonic() - self._read_at > _KEPT_SECONDS:
            try:
                plain = json.loads(await self._get(f"{self._base}/api/config", {}))
                self._cameras = {str(key): _read(one) for key, one in plain["cameras"].items()}
            except SnapshotError as error:
                if error.away:
                    raise
                self._cameras = {}
            except (
                ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError,
            ):  # fmt: skip
                self._cameras = {}
            self._read_at = time.monotonic()
        return self._cameras.get(name, _Camera())

    async def _get(self, address: str, parameters: dict[str, str]) -> bytes:
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._read(address, parameters)
        except (httpx.HTTPError, TimeoutError) as error:
            problem = redacted(f"{address}: {type(error).__name__} {error}".rstrip())
        except _ServerError as error:
            problem = str(error)
        # If Frigate is down, wait for it; otherwise only this picture has failed.
        raise SnapshotError(problem, away=not await self._answers())

    async def _read(self, address: str, parameters: dict[str, str]) -> bytes:
        async with self._client.stream("GET", address, params=parameters) as answer:
            status = answer.status_code
            if status in (401, 403):
                raise SnapshotError(
                    f"Frigate denies access ({status}); give bridge.frigate_token_file", away=True
                )
            if status >= 500:
                raise _ServerError(f"{address} gave status {status}")
            if status != 200:
                raise SnapshotError(f"{address} gave status {status}")
            data = bytearray()
            async for part in answer.aiter_raw():
                data += part
                if len(data) > self._limits.request_bytes:
                    raise SnapshotError(
                        f"{address} has more than {self._limits.request_bytes} bytes", passing=False
                    )
            return bytes(data)

    async def _answers(self) -> bool:
        """Whether Frigate itself answers, not a proxy in front of it."""
        try:
            async with asyncio.timeout(_SILENCE):
                # The body is not read: whoever answers may send one without end.
                async with self._client.stream("GET", f"{self._base}/api/version") as answer:
                    return answer.status_code == 200
        except (httpx.HTTPError, TimeoutError):
            return False


class _ServerError(Exception):
    """A response with a server error (5xx)."""


def _read(plain: Any) -> _Camera:
    """Parse the configuration of one camera."""
    detect = plain["detect"]
    width, height = int(detect.get("width") or 0), int(detect.get("height") or 0)
    size = (width, height) if width > 0 and height > 0 else None
    return _Camera(size, bool(plain["snapshots"].get("crop")))


def _context(settings: BridgeSection) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(settings.frigate_ca))
