"""Brings pictures to a server, which is the one process that writes the gallery."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from partlens.client.channel import Credentials, Route, open_aio_channel, route
from partlens.client.errors import AddressError, CredentialsError
from partlens.client.rpc_errors import from_rpc
from partlens.server.config.sections import IngestSection
from partlens.server.errors import SettingsError, UploadError
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub

_CHECK_SECONDS, _PAUSE = 5.0, 1.0
# What is no picture's fault, though the server may give no reason with it.
_CLOSED = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.DATA_LOSS,
}


class Uploader:
    """A connection to a server; made once, it connects again after the server was away.

    Raises:
        SettingsError: a file cannot be used, the environment names a proxy that cannot, or a
            token would go over the network in the clear.
    """

    def __init__(self, settings: IngestSection) -> None:
        self._settings, self._credentials = settings, _credentials(settings)
        try:
            self._route = route(settings.server, self._credentials)
        except (AddressError, CredentialsError) as error:
            raise SettingsError(f"section ingest of the settings: {error}") from error
        self._channel = open_aio_channel(self._route, self._credentials)
        self._gallery = GalleryServiceStub(self._channel)
        self._health = HealthStub(self._channel)

    async def require_ready(self) -> None:
        """Raise UploadError unless the server serves."""
        check = self._health.Check  # pyright: ignore[reportAttributeAccessIssue]
        try:
            answer = await check(health_pb2.HealthCheckRequest(), timeout=_CHECK_SECONDS)
        except grpc.aio.AioRpcError as error:
            problem = str(from_rpc(error, self._route))
            raise UploadError(problem, at_fault=False, retry_seconds=_PAUSE) from error
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise UploadError(
                f"the server at {self._route} is not ready", at_fault=False, retry_seconds=_PAUSE
            )

    async def upsert(
        self, requests: Sequence[pb.UpsertImagesRequest]
    ) -> AsyncIterator[pb.UpsertImagesResponse]:
        """The server's answers, in order, each when its image is on disk or was refused.

        Raises:
            UploadError: the call broke; what was not answered may or may not be on disk.
        """
        call = self._gallery.UpsertImages(
            iter(requests), timeout=self._settings.call_seconds, metadata=self._metadata()
        )
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise _explained(error, self._route) from error

    async def close(self) -> None:
        """Lets go of the connection."""
        await self._channel.close()

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        # Read each time: a token that expires is changed while the worker runs.
        try:
            credentials = replace(self._credentials, token=_token(self._settings.token_file))
            credentials.require_usable(self._route.target)
        except (SettingsError, CredentialsError) as error:
            # It may be read in the middle of that change.
            raise UploadError(str(error), at_fault=False, retry_seconds=_PAUSE) from error
        return credentials.metadata


def _credentials(settings: IngestSection) -> Credentials:
    return Credentials(
        token=_token(settings.token_file),
        tls=settings.tls,
        ca=_read(settings.ca),
        certificate=_read(settings.certificate),
        key=_read(settings.key),
    )


def _token(file: Path | None) -> str:
    return _read(file).decode(errors="replace").strip()


def _read(file: Path | None) -> bytes:
    """What a file holds; b"" for no file, and never for an empty one, which would mean none."""
    if file is None:
        return b""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error
    if not content.strip():
        raise SettingsError(f"{file} is empty")
    return content


def _explained(error: grpc.aio.AioRpcError, way: Route) -> UploadError:
    """A call that broke. Without a reason of the server's, what it was given may have broken it."""
    typed = from_rpc(error, way)
    at_fault = error.code() not in _CLOSED and typed.reason in ("", "INTERNAL")
    return UploadError(
        f"{error.code().name}: {typed}",
        at_fault=at_fault,
        retry_seconds=typed.retry_seconds or _PAUSE,
    )
