"""Brings pictures to a server, which is the one process that writes the gallery."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from partlens.server.access.exposure import is_loopback
from partlens.server.config.sections import IngestSection
from partlens.server.errors import SettingsError, UploadError
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub

_DETAILS = "grpc-status-details-bin"
_CHECK_SECONDS = 5.0


class Uploader:
    """A connection to a server; made once, it connects again after the server was away.

    Raises:
        SettingsError: a file cannot be read, or a token would go over the network in the clear.
    """

    def __init__(self, settings: IngestSection) -> None:
        self._settings = settings
        credentials = _credentials(settings)
        options = (("grpc.max_send_message_length", -1),)
        self._channel = (
            grpc.aio.secure_channel(settings.server, credentials, options=options)
            if credentials
            else grpc.aio.insecure_channel(settings.server, options=options)
        )
        self._gallery = GalleryServiceStub(self._channel)
        self._health = HealthStub(self._channel)
        self._metadata()

    async def require_ready(self) -> None:
        """Raise UploadError unless the server serves."""
        check = self._health.Check  # pyright: ignore[reportAttributeAccessIssue]
        try:
            answer = await check(health_pb2.HealthCheckRequest(), timeout=_CHECK_SECONDS)
        except grpc.RpcError as error:
            raise UploadError(
                f"no server answers at {self._settings.server}", at_fault=False, retry_seconds=1.0
            ) from error
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise UploadError("the server is not ready", at_fault=False, retry_seconds=1.0)

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
            raise _explained(error) from error

    async def close(self) -> None:
        """Lets go of the connection."""
        await self._channel.close()

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        # Read each time: a token that expires is changed while the worker runs.
        file = self._settings.token_file
        return (("authorization", f"Bearer {_read(file).decode().strip()}"),) if file else ()


def _credentials(settings: IngestSection) -> grpc.ChannelCredentials | None:
    if settings.tls or settings.ca or settings.certificate:
        files = settings.ca, settings.key, settings.certificate
        return grpc.ssl_channel_credentials(*(_read(file) if file else None for file in files))
    if settings.token_file and not is_loopback(settings.server):
        raise SettingsError(
            f"the token would go to {settings.server} in the clear; set ingest.tls or ingest.ca"
        )
    return None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error


# What is no picture's fault, though the server may give no reason with it.
_CLOSED = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.DATA_LOSS,
}
_PAUSE = 1.0


def _explained(error: grpc.aio.AioRpcError) -> UploadError:
    """A call that broke. Without a reason of the server's, what it was given may have broken it."""
    reason, retry = _details(error)
    at_fault = error.code() not in _CLOSED and reason in ("", "INTERNAL")
    return UploadError(
        f"{error.code().name}: {error.details()}", at_fault=at_fault, retry_seconds=retry or _PAUSE
    )


def _details(error: grpc.aio.AioRpcError) -> tuple[str, float]:
    """The server's reason, and the seconds after which to come back; "" and 0 where unsaid."""
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    trailing: Any = dict(error.trailing_metadata() or ())
    for detail in status_pb2.Status.FromString(trailing.get(_DETAILS, b"")).details:
        detail.Unpack(info)
        detail.Unpack(retry)
    return info.reason, retry.retry_delay.ToTimedelta().total_seconds()
