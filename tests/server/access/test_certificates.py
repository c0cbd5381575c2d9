"""TLS: who is let connect, and certificates that change under a running server."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from tests.server.conftest import settings

from partlens.client import AsyncClient, Credentials, UnavailableError
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.app import create_server
from partlens.server.errors import CertificateError


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def write(folder: Path, authority: trustme.CA) -> dict[str, Path]:
    """A fresh certificate for localhost, as the settings name it."""
    made = authority.issue_cert("localhost")
    files = {"tls_certificate": folder / "cert.pem", "tls_key": folder / "key.pem"}
    files["tls_key"].write_bytes(made.private_key_pem.bytes())
    files["tls_certificate"].write_bytes(b"".join(p.bytes() for p in made.cert_chain_pems))
    return files


@asynccontextmanager
async def served(
    model: MetricModel, gallery: Gallery, files: dict[str, Path]
) -> AsyncIterator[str]:
    server = create_server(model, gallery, settings(access=dict(files)))
    yield f"localhost:{await server.start()}"
    await server.stop(0)


async def reaches(address: str, credentials: Credentials) -> bool:
    """Whether a new connection is answered."""
    async with AsyncClient(address, 3.0, credentials) as client:
        try:
            await client.get_gallery()
        except UnavailableError:
            return False
        return True


async def test_only_a_client_that_trusts_the_server_speaks_to_it(
    model: MetricModel, gallery: Gallery, tmp_path: Path, authority: trustme.CA
) -> None:
    files = write(tmp_path, authority)
    async with served(model, gallery, files) as address:
        assert await reaches(address, Credentials(ca=authority.cert_pem.bytes()))
        assert not await reaches(address, Credentials())
        assert not await reaches(address, Credentials(ca=trustme.CA().cert_pem.bytes()))


async def test_mutual_tls_wants_a_certificate_of_its_authority(
    model: MetricModel, gallery: Gallery, tmp_path: Path, authority: trustme.CA
) -> None:
    clients, ca = trustme.CA(), authority.cert_pem.bytes()
    files = write(tmp_path, authority) | {"client_ca": tmp_path / "clients.pem"}
    clients.cert_pem.write_to_path(str(files["client_ca"]))
    async with served(model, gallery, files) as address:
        for issuer, welcome in ((clients, True), (authority, False)):
            own = issuer.issue_cert("client")
            shown = Credentials(
                ca=ca,
                certificate=own.cert_chain_pems[0].bytes(),
                key=own.private_key_pem.bytes(),
            )
            assert await reaches(address, shown) == welcome
        assert not await reaches(address, Credentials(ca=ca))


async def test_a_changed_certificate_is_used_and_a_broken_one_passed_over(
    model: MetricModel, gallery: Gallery, tmp_path: Path, authority: trustme.CA
) -> None:
    other = trustme.CA()
    old, new = (Credentials(ca=one.cert_pem.bytes()) for one in (authority, other))
    files = write(tmp_path, authority)
    async with served(model, gallery, files) as address:
        assert await reaches(address, old) and not await reaches(address, new)
        time.sleep(0.02)  # a file system's clock may tick this slowly
        files["tls_key"].write_bytes(b"half writ")
        assert await reaches(address, old)
        write(tmp_path, other)
        assert await reaches(address, new) and not await reaches(address, old)


async def test_a_certificate_that_cannot_be_used_stops_the_start(
    model: MetricModel, gallery: Gallery, tmp_path: Path, authority: trustme.CA
) -> None:
    files = write(tmp_path, authority)
    files["tls_key"].write_bytes(authority.issue_cert("other").private_key_pem.bytes())
    with pytest.raises(CertificateError, match="give matching PEM files"):
        await create_server(model, gallery, settings(access=dict(files))).start()
