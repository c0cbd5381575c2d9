"""Handshakes in bulk, slow or with wrong certificates, while a token is served."""

import asyncio
import datetime
import os
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import grpc
import pytest
import trustme
from tests.hostile.harness import Locked, locked, watched

LONG = os.environ.get("PARTLENS_TEST_LONG") == "1"
SECONDS = 30.0 if LONG else 1.0
HALF_OPEN, SLOW, THREADS = (600, 200, 4) if LONG else (200, 60, 2)
MEMORY = 300 * 2**20
LATENCY = 5.0
"""Seconds, far above what was measured: a waiting victim, not a slow machine, must fail."""
LOG_BYTES = 100_000
"""Of the victim's own calls and a few lines of each attack; every handshake would take far more."""
HANDSHAKE_SECONDS = 10.0


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("certificates")
    found = {name: folder / f"{name}.pem" for name in ("certificate", "key", "authority")}
    renew(found, authority)
    authority.cert_pem.write_to_path(str(found["authority"]))
    return found


def renew(files: dict[str, Path], authority: trustme.CA) -> None:
    made = authority.issue_cert("127.0.0.1")
    files["key"].write_bytes(made.private_key_pem.bytes())
    files["certificate"].write_bytes(made.cert_chain_pems[0].bytes())


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA, files: dict[str, Path]
) -> Iterator[Locked]:
    own = authority.issue_cert("victim")
    shown = grpc.ssl_channel_credentials(
        authority.cert_pem.bytes(), own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes()
    )
    settings = {
        "access.tls_certificate": files["certificate"],
        "access.tls_key": files["key"],
        "access.client_ca": files["authority"],
        "limits.calls_per_second": 1000,
        "limits.burst_calls": 1000,
    }
    options = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    folder = tmp_path_factory.mktemp("tls")
    with locked(folder, *options, credentials=shown) as running:
        yield running


def place(server: Locked) -> tuple[str, int]:
    host, _, port = server.process.address.rpartition(":")
    return host, int(port)


def descriptors(server: Locked) -> int:
    return len(os.listdir(f"/proc/{server.process.process.pid}/fd"))


def context(certificate: trustme.LeafCert | None) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.set_alpn_protocols(["h2"])
    if certificate is not None:
        certificate.configure_cert(made)
    return made


def hello() -> bytes:
    """The first message of a handshake."""
    out = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context(None).wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    return out.read()


@contextmanager
def repeated(attempt: object, seconds: float, threads: int = THREADS) -> Iterator[Counter[str]]:
    """What became of attempts in threads, which end with the block."""
    outcomes, end = Counter[str](), time.monotonic() + seconds

    def go() -> None:
        while time.monotonic() < end:
            outcomes[attempt()] += 1  # type: ignore[operator]

    running = [threading.Thread(target=go) for _ in range(threads)]
    for one in running:
        one.start()
    try:
        yield outcomes
    finally:
        for one in running:
            one.join(30)


def shaken(server: Locked, certificate: trustme.LeafCert | None) -> str:
    """How a handshake ended, with the first answer after it: TLS 1.3 refuses only then."""
    try:
        with (
            socket.create_connection(place(server), 5) as opened,
            context(certificate).wrap_socket(opened) as talking,
        ):
            talking.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            return "answered" if talking.recv(9) else "closed"
    except ssl.SSLError as error:
        return str(error.reason)
    except OSError as error:
        return type(error).__name__


async def require_served(server: Locked, name: str, seconds: float = SECONDS) -> None:
    """Raise unless the victim is served for a while; prints its figures."""
    log = server.process.log.stat().st_size
    async with watched(server, name) as figures:
        await asyncio.sleep(seconds)
    written = server.process.log.stat().st_size - log
    print(f"  descriptors {descriptors(server)}, log {written} bytes")
    assert not figures.refused and figures.internal == 0
    assert figures.get_image and max(figures.get_image) < LATENCY
    assert figures.peak < figures.before + MEMORY
    assert written < LOG_BYTES, server.process.log.read_text()[-3000:]


async def until_closed(server: Locked, most: int) -> None:
    end = time.monotonic() + 3 * HANDSHAKE_SECONDS
    while descriptors(server) > most:
        assert time.monotonic() < end, "connections are not closed"
        await asyncio.sleep(0.1)


async def test_half_open_and_slow_handshakes_are_closed(server: Locked) -> None:
    before, message = descriptors(server), hello()
    with ExitStack() as held:
        slow = list[socket.socket]()
        for _ in range(HALF_OPEN):
            held.enter_context(socket.create_connection(place(server), 5))
        for _ in range(SLOW):
            slow.append(held.enter_context(socket.create_connection(place(server), 5)))

        async def trickle() -> None:
            for byte in message:
                for one in slow:
                    with suppress(OSError):
                        one.sendall(bytes([byte]))
                await asyncio.sleep(0.05)

        task = asyncio.create_task(trickle())
        await require_served(server, f"{HALF_OPEN} half open, {SLOW} byte by byte")
        assert descriptors(server) >= before + HALF_OPEN, "the attack must reach the server"
        # While they are still open at this end.
        await until_closed(server, before + 20)
        task.cancel()


async def test_wrong_certificates_in_bulk(server: Locked, authority: trustme.CA) -> None:
    before = descriptors(server)
    now = datetime.datetime.now(datetime.UTC)
    expired = authority.issue_cert("old", not_after=now - datetime.timedelta(days=1),
                                   not_before=now - datetime.timedelta(days=9))  # fmt: skip
    wrong = {"none": None, "of another authority": trustme.CA().issue_cert("x"), "expired": expired}
    for name, certificate in wrong.items():
        with repeated(lambda of=certificate: shaken(server, of), SECONDS) as outcomes:
            await require_served(server, f"certificates: {name}")
        print(f"  {sum(outcomes.values())} handshakes: {dict(outcomes)}")
        assert outcomes and not outcomes["answered"]
    assert shaken(server, authority.issue_cert("right")) == "answered"
    await until_closed(server, before + 20)


async def test_certificates_change_during_a_flood(
    server: Locked, authority: trustme.CA, files: dict[str, Path]
) -> None:
    right = authority.issue_cert("right")
    with repeated(lambda: shaken(server, right), SECONDS) as outcomes:
        swapping = asyncio.create_task(asyncio.to_thread(swap, files, authority, SECONDS))
        await require_served(server, "certificates that change")
        await swapping
    print(f"  {sum(outcomes.values())} handshakes: {dict(outcomes)}")
    assert set(outcomes) == {"answered"}
    with repeated(lambda: shaken(server, right), SECONDS) as outcomes:
        files["key"].write_bytes(b"half writ")
        await require_served(server, "a certificate that stays half written")
    assert set(outcomes) == {"answered"}
    assert "the earlier certificate stays in use" in server.process.log.read_text()
    renew(files, authority)
    assert shaken(server, right) == "answered"


def swap(files: dict[str, Path], authority: trustme.CA, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        renew(files, authority)
        time.sleep(0.05)


def test_a_client_cannot_negotiate_again(
    server: Locked, authority: trustme.CA, tmp_path: Path
) -> None:
    own = authority.issue_cert("client")
    own.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    ended = subprocess.run(
        ["openssl", "s_client", "-connect", server.process.address, "-tls1_2", "-alpn", "h2",
         "-cert", tmp_path / "own.pem", "-key", tmp_path / "own.pem", "-legacy_renegotiation"],
        input=b"R\n" * 50, capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    output = ended.stdout + ended.stderr
    assert b"RENEGOTIATING" in output
    assert b"unexpected eof" in output or b"no renegotiation" in output
    assert shaken(server, own) == "answered"
