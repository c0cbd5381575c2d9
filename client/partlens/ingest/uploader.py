"""Uploads pictures to a server, the only process that writes the gallery."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc

from partlens.client import AsyncClient, Credentials, Upload, UpsertAnswer
from partlens.client.errors import (
    AccessError,
    AddressError,
    ClientError,
    CredentialsError,
    ServerError,
    StaleError,
)
from partlens.ingest.errors import UploadError
from partlens.runtime.config.sections import IngestSection
from partlens.runtime.errors import SettingsError

_CHECK_SECONDS, _PAUSE = 5.0, 1.0


class Uploader:
    """A connection to a server; it reconnects after the server was down.

    Each call reads the files of the credentials again, so a token or certificate that is renewed
    while the worker runs is used from the next call on.

    Raises:
        SettingsError: a file is unusable, the environment names an unusable proxy, or a token
            would be sent unencrypted.
    """

    def __init__(self, settings: IngestSection) -> None:
        self._settings = settings
        self._credentials = _credentials(settings)
        self._client = _connected(settings, self._credentials)

    async def require_ready(self) -> None:
        """Raise UploadError unless the server is ready."""
        client = await self._current()
        try:
            ready = await client.is_ready(deadline=_CHECK_SECONDS)
        except ClientError as error:
            raise UploadError(str(error), at_fault=False, retry_seconds=_PAUSE) from error
        if not ready:
            problem = f"the server at {client.target} is not ready"
            raise UploadError(problem, at_fault=False, retry_seconds=_PAUSE)

    async def upsert(self, images: Sequence[Upload]) -> AsyncIterator[UpsertAnswer]:
        """Yield the server's answers in order, each once its image is on disk or was refused.

        Raises:
            UploadError: the call failed; images without an answer may or may not be on disk.
        """
        client = await self._current()
        try:
            async for answer in client.upsert_stream(images, deadline=self._settings.call_seconds):
                yield answer
        except ClientError as error:
            raise _explained(error) from error

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()

    async def _current(self) -> AsyncClient:
        """The connection, reopened if its credentials have changed."""
        try:
            credentials = _credentials(self._settings)
            if credentials != self._credentials:
                renewed, before = _connected(self._settings, credentials), self._client
                self._client, self._credentials = renewed, credentials
                await before.close()
        except SettingsError as error:
            # The file may be in the middle of being replaced.
            raise UploadError(str(error), at_fault=False, retry_seconds=_PAUSE) from error
        return self._client


def _connected(settings: IngestSection, credentials: Credentials) -> AsyncClient:
    try:
        return AsyncClient(settings.server, credentials=credentials, gallery=settings.gallery or "")
    except (AddressError, CredentialsError) as error:
        raise SettingsError(f"section ingest of the settings: {error}") from error


def _credentials(settings: IngestSection) -> Credentials:
    return Credentials(
        token=_read(settings.token_file).decode(errors="replace").strip(),
        tls=settings.tls,
        ca=_read(settings.ca),
        certificate=_read(settings.certificate),
        key=_read(settings.key),
    )


def _read(file: Path | None) -> bytes:
    """Content of a file; b"" for no file. An empty file is an error, since b"" means none."""
    if file is None:
        return b""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error
    if not content.strip():
        raise SettingsError(f"{file} is empty")
    return content


def _explained(error: ClientError) -> UploadError:
    """The error of a failed call. Without a reason from the server, the images may be at fault."""
    at_fault = error.reason in ("", "INTERNAL") and not _is_closed(error)
    return UploadError(str(error), at_fault=at_fault, retry_seconds=error.retry_seconds or _PAUSE)


def _is_closed(error: ClientError) -> bool:
    """Whether no picture is at fault, even if the server gives no reason."""
    damaged = isinstance(error, ServerError) and error.code == grpc.StatusCode.DATA_LOSS
    return damaged or isinstance(error, AccessError | StaleError)
