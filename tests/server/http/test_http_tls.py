"""TLS over HTTP: the certificates that gRPC has, reloaded in the same way."""

import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import trustme
from tests.server.access.test_certificates import write
from tests.server.conftest import DEADLINE, settings
from tests.server.http.test_streams import until, value

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.app import PartlensServer, create_server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def secured(
    model: MetricModel, gallery: Gallery, files: dict[str, Path], **limits: object
) -> AsyncIterator[tuple[PartlensServer, int]]:
    """A server with TLS, and its HTTP port."""
    made = settings(access=dict(files), server={"http_listen": "127.0.0.1:0"}, limits=dict(limits))
    server = create_server(model, gallery, made)
    await server.start()
    assert server.http_url and server.http_url.startswith("https://127.0.0.1:")
    try:
        yield server, urlsplit(server.http_url).port or 0
    finally:
        await server.stop(0)


async def health(port: int, trusted: trustme.CA, own: trustme.LeafCert | None = None) -> bool:
    """Whether a new connection is answered."""
    context = ssl.create_default_context()
    trusted.configure_trust(context)
    if own is not None:
        own.configure_cert(context)
    async with httpx.AsyncClient(verify=context, timeout=DEADLINE) as client:
        try:
            response = await client.get(f"https://localhost:{port}/health")
        except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError):
            return False
        return response.status_code == 200


async def test_a_changed_certificate_is_used_and_a_broken_one_is_not(
    model: MetricModel, gallery: Gallery, tmp_path: Path, authority: trustme.CA
) -> None:
    other, files = trustme.CA(), write(tmp_path, authority)
    async with secured(model, gallery, files) as (_, port):
        assert await health(port, authority) and not await health(port, other)
        time.sleep(0.02)  # a file system's clock may tick this slowly
        files["tls_key"].write_bytes(b"half writ")
        assert await health(port, authority)
        write(tmp_path, other)
        assert await health(port, other) and not await health(port, authority)


async def test_mutual_tls_follows_its_authority(
    model: MetricModel, gallery: Gallery, tmp_path: Path, authority: trustme.CA
) -> None:
    clients, later = trustme.CA(), trustme.CA()
    files = write(tmp_path, authority) | {"client_ca": tmp_path / "clients.pem"}
    clients.cert_pem.write_to_path(str(files["client_ca"]))
    known, new, wrong = (one.issue_cert("desk") for one in (clients, later, authority))
    async with secured(model, gallery, files) as (_, port):
        assert await health(port, authority, known)
        assert not await health(port, authority)
        assert not await health(port, authority, wrong)
        assert not await health(port, authority, new)
        time.sleep(0.02)
        later.cert_pem.write_to_path(str(files["client_ca"]))
        assert await health(port, authority, new)
        assert not await health(port, authority, known)


async def test_old_versions_of_tls_are_refused(
    model: MetricModel, gallery: Gallery, tmp_path: Path, authority: trustme.CA
) -> None:
    async with secured(model, gallery, write(tmp_path, authority)) as (_, port):
        context = ssl.create_default_context()
        authority.configure_trust(context)
        with pytest.warns(DeprecationWarning):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        async with httpx.AsyncClient(verify=context, timeout=DEADLINE) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"https://localhost:{port}/health")


async def test_strict_transport_is_asked_for_names_of_other_machines_only(
    model: MetricModel, gallery: Gallery, tmp_path: Path, authority: trustme.CA
) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text('{"tokens": []}')
    files = write(tmp_path, authority) | {"tokens": tokens}
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with (
        secured(model, gallery, files) as (_, port),
        httpx.AsyncClient(verify=context, base_url=f"https://localhost:{port}") as client,
    ):
        ours = await client.get("/health")
        theirs = await client.get("/health", headers={"Host": "search.example"})
    assert "strict-transport-security" not in ours.headers
    assert theirs.headers["strict-transport-security"] == "max-age=31536000"


async def test_connections_in_a_handshake_count(
    model: MetricModel, gallery: Gallery, tmp_path: Path, authority: trustme.CA
) -> None:
    files = write(tmp_path, authority)
    async with secured(model, gallery, files, connections=2) as (server, port):
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        await until(lambda: value(server.metrics.http.connections) == 2)
        assert not await health(port, authority)
        for one in silent:
            one.close()
        await until(lambda: value(server.metrics.http.connections) == 0)
        assert await health(port, authority)
