"""The certificates that `partlens setup` makes, by what TLS itself says of them."""

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from partlens.server.errors import CertificateError
from partlens.server.setup.certificates import Files, ensure

HOSTS = ("localhost", "server", "127.0.0.1")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "tls", tmp_path / "ca.pem")


def greet(files: Files, name: str) -> str:
    """What a handshake with the server under a name ends with."""
    ours, theirs = socket.socketpair()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.key)
    client = ssl.create_default_context(cafile=str(files.authority))
    client.verify_flags |= ssl.VERIFY_X509_STRICT

    def serve() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    serving = threading.Thread(target=serve)
    serving.start()
    ours.settimeout(10)
    try:
        with client.wrap_socket(ours, server_hostname=name) as connected:
            return str(connected.version())
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    finally:
        ours.close()
        serving.join(10)


@pytest.mark.parametrize("name", HOSTS)
def test_a_client_that_trusts_the_authority_connects_by_each_name(files: Files, name: str) -> None:
    ensure(files, HOSTS)
    assert greet(files, name).startswith("TLS")


def test_other_names_and_other_authorities_are_refused(files: Files, tmp_path: Path) -> None:
    ensure(files, HOSTS)
    assert "mismatch" in greet(files, "elsewhere")
    other = Files(tmp_path / "other", tmp_path / "other.pem")
    ensure(other, HOSTS)
    other.authority.write_bytes(files.authority.read_bytes())
    assert greet(other, "localhost") != "TLSv1.3"


def test_keys_are_their_owners_alone(files: Files) -> None:
    ensure(files, HOSTS)
    for key in (files.key, files.authority_key):
        assert key.stat().st_mode & 0o077 == 0


def test_what_still_serves_is_kept_and_what_does_not_is_made_anew(files: Files) -> None:
    now = datetime.now(UTC)
    assert len(ensure(files, HOSTS, now)) == 2
    authority, first = files.authority.read_bytes(), files.certificate.read_bytes()
    assert ensure(files, HOSTS[:2], now + timedelta(days=366)) == []
    assert files.certificate.read_bytes() == first
    assert len(ensure(files, HOSTS, now + timedelta(days=368))) == 1
    second = files.certificate.read_bytes()
    assert second != first
    assert len(ensure(files, (*HOSTS, "search.example.org"), now)) == 1
    assert files.certificate.read_bytes() != second
    assert greet(files, "search.example.org").startswith("TLS")
    assert files.authority.read_bytes() == authority


def test_a_key_that_was_lost_is_made_with_its_certificate(files: Files) -> None:
    ensure(files, HOSTS)
    files.key.unlink()
    assert len(ensure(files, HOSTS)) == 1
    assert greet(files, "localhost").startswith("TLS")


def test_what_cannot_be_read_is_named_and_kept(files: Files) -> None:
    ensure(files, HOSTS)
    files.certificate.write_text("hello")
    with pytest.raises(CertificateError, match=r"server\.pem is not a readable certificate"):
        ensure(files, HOSTS)
    files.certificate.unlink()
    files.authority_key.write_text("hello")
    with pytest.raises(CertificateError, match=r"ca\.key is not a usable key"):
        ensure(files, HOSTS)
    with pytest.raises(CertificateError, match="not a host name"):
        ensure(Files(files.folder / "new", files.folder / "new.pem"), ("bücher",))
    assert files.authority_key.read_text() == "hello"
