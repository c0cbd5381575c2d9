"""A certificate that `partlens setup --renew` makes is used by a running server, which says so."""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from cryptography import x509
from tests.server.conftest import DEADLINE, settings

from partlens.client import AsyncClient, Credentials
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.access.certificates import Certificates
from partlens.server.access.validity import Validity
from partlens.server.app import PartlensServer, create_server
from partlens.server.doctor.deployment import try_certificate
from partlens.server.errors import CertificateError
from partlens.server.setup.certificates import Files, ensure, renew
from partlens.server.setup.cli import setup

HOSTS = ("localhost", "127.0.0.1")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path / "server" / "tls", tmp_path / "server" / "clients" / "ca.pem")
    made.authority.parent.mkdir(parents=True)
    return made


@asynccontextmanager
async def served(
    model: MetricModel, gallery: Gallery, files: Files
) -> AsyncIterator[tuple[PartlensServer, tuple[int, int]]]:
    """A server of both protocols, and their ports."""
    access: dict[str, object] = {"tls_certificate": files.certificate, "tls_key": files.key}
    server = create_server(
        model, gallery, settings(access=access, server={"http_listen": "127.0.0.1:0"})
    )
    port = await server.start()
    yield server, (port, urlsplit(server.http_url or "").port or 0)
    await server.stop(0)


async def shown(port: int, files: Files) -> bytes:
    """The certificate that a port shows to a client that trusts the authority."""
    context = ssl.create_default_context(cafile=str(files.authority))
    context.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("localhost", port, ssl=context)
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return found


def on_disk(files: Files) -> bytes:
    return ssl.PEM_cert_to_DER_cert(files.certificate.read_text())


async def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        await asyncio.sleep(0.02)


async def test_a_running_server_takes_a_renewed_certificate_and_logs_its_expiry(
    model: MetricModel, gallery: Gallery, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    ensure(files, HOSTS, datetime.now(UTC) - timedelta(days=200))
    first, authority, key = on_disk(files), files.authority.read_bytes(), files.key.read_bytes()
    caplog.set_level(logging.INFO, "partlens.server.access.certificates")
    async with served(model, gallery, files) as (server, ports):
        assert [await shown(port, files) for port in ports] == [first, first]
        told = CliRunner().invoke(setup, [str(files.folder.parent), "--renew"])
        assert told.exit_code == 0, told.output
        second = on_disk(files)
        validity = Validity.of(files.certificate.read_bytes())
        assert second != first and f"{validity.ends:%Y-%m-%d}" in told.output
        assert validity.ends > datetime.now(UTC) + timedelta(days=390)
        # Before anyone connects.
        line = f"new certificate in use, expires {validity.ends.isoformat()}"
        await until(lambda: any(line in record.getMessage() for record in caplog.records))
        assert [await shown(port, files) for port in ports] == [second, second]
        expires = server.metrics.certificate_expires
        await until(lambda: expires._value.get() == validity.ends.timestamp())
    said = [record.getMessage() for record in caplog.records]
    assert sum(line in one for one in said) == 1, "both ports share one certificate"
    assert (files.authority.read_bytes(), files.key.read_bytes()) == (authority, key)


async def test_a_certificate_near_its_end_shows_in_health_metrics_log_and_doctor(
    model: MetricModel, gallery: Gallery, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    ensure(files, HOSTS, datetime.now(UTC) - timedelta(days=390))
    looked = try_certificate(Certificates(files.certificate, files.key))
    assert "renew it" in looked.complaint
    async with served(model, gallery, files) as (server, (port, _)):
        unwell = server.metrics.unwell.labels("partlens.certificate")
        await until(lambda: unwell._value.get() == 1)
        ca = Credentials(ca=files.authority.read_bytes())
        async with AsyncClient(f"localhost:{port}", DEADLINE, ca) as client:
            assert any("certificate expires soon" in one for one in await client.problems())
            assert await client.is_ready(), "it still serves"
        assert "expires on" in caplog.text and "renew it" in caplog.text
        renew(files, ())
        await until(lambda: unwell._value.get() == 0)
    assert try_certificate(Certificates(files.certificate, files.key)).complaint == ""


@pytest.mark.parametrize(
    ("lasts", "left", "near"),
    [(397, 15, False), (397, 13, True), (90, 15, False), (8, 3, False), (8, 1, True)],
)
def test_near_depends_on_how_long_it_lasts(lasts: int, left: int, near: bool) -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    validity = Validity(at, at + timedelta(days=lasts), "")
    trouble = validity.trouble(at + timedelta(days=lasts - left))
    assert bool(trouble) == near
    assert "expired" in (validity.trouble(at + timedelta(days=lasts)) or "")
    assert "not valid before" in (validity.trouble(at - timedelta(seconds=1)) or "")


def test_hosts_stay_and_a_new_authority_is_made_only_if_asked(files: Files) -> None:
    ensure(files, (*HOSTS, "search.example.org"))
    authority, key = files.authority.read_bytes(), files.key.read_bytes()
    renew(files, ("other.example.org",))
    names = x509.load_pem_x509_certificate(
        files.certificate.read_bytes()
    ).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert {"localhost", "search.example.org", "other.example.org"} == set(
        names.value.get_values_for_type(x509.DNSName)
    )
    assert files.authority.read_bytes() == authority
    told = CliRunner().invoke(setup, [str(files.folder.parent), "--renew-authority"])
    assert told.exit_code == 0 and "Give clients the new authority" in told.output
    assert files.authority.read_bytes() != authority and files.key.read_bytes() != key
    assert ensure(files, HOSTS) == []


def test_files_that_do_not_fit_are_mended_or_named(files: Files, tmp_path: Path) -> None:
    ensure(files, HOSTS)
    other = Files(tmp_path / "other", tmp_path / "other.pem")
    ensure(other, HOSTS)
    files.key.write_bytes(other.key.read_bytes())  # as if killed between two files
    assert len(ensure(files, HOSTS)) == 1 and ensure(files, HOSTS) == []
    files.authority_key.write_bytes(other.authority_key.read_bytes())
    with pytest.raises(CertificateError, match=r"ca\.key is not the key of .*ca\.pem"):
        renew(files, ())
    renew(files, (), authority=True)
    assert ensure(files, HOSTS) == []


def test_an_authority_near_its_end_is_not_signed_with_in_silence(files: Files) -> None:
    begun = datetime(2020, 1, 1, tzinfo=UTC)
    ensure(files, HOSTS, begun)
    renew(files, (), now=begun + timedelta(days=3600))
    ends = Validity.of(files.certificate.read_bytes()).ends
    assert ends == Validity.of(files.authority.read_bytes()).ends
    with pytest.raises(CertificateError, match="make a new one with"):
        renew(files, (), now=begun + timedelta(days=3630))


def test_nothing_to_renew_and_options_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    told = CliRunner().invoke(setup, [str(tmp_path / "none"), "--renew"])
    assert told.exit_code == 1 and "no certificate to renew" in told.output
    assert not (tmp_path / "none").exists()
    told = CliRunner().invoke(setup, [str(tmp_path), "--renew", "--listen", "0.0.0.0:1"])
    assert told.exit_code == 2 and "go with --host only" in told.output
