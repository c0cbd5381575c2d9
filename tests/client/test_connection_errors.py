"""A failed connection says in a sentence what is there instead, and what to do."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
import trustme
from click.testing import CliRunner
from prometheus_client import CollectorRegistry
from proxy import proxy

from partlens.cli.main import main
from partlens.client import (
    AsyncClient,
    Client,
    Credentials,
    CredentialsError,
    DeadlineError,
    ServerError,
    UnavailableError,
)
from partlens.runtime.metrics_port import MetricsPort

DEADLINE = 5.0
AUTHORITY, OTHER = trustme.CA(), trustme.CA()
CA = AUTHORITY.cert_pem.bytes()
TLS = Credentials(ca=CA)


@contextmanager
def grpc_server(
    certificate: trustme.LeafCert | None = None, client_ca: bytes | None = None
) -> Iterator[str]:
    """A gRPC server without services."""
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads)
        if certificate is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            chain = b"".join(part.bytes() for part in certificate.cert_chain_pems)
            pair = certificate.private_key_pem.bytes(), chain
            credentials = grpc.ssl_server_credentials([pair], client_ca, client_ca is not None)
            port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        try:
            yield f"localhost:{port}"
        finally:
            server.stop(0).wait(DEADLINE)


def issued(name: str = "localhost", days: int = 1) -> trustme.LeafCert:
    """A certificate that ends in so many days."""
    now = datetime.now(UTC)
    return AUTHORITY.issue_cert(
        name, not_before=now - timedelta(days=9), not_after=now + timedelta(days=days)
    )


def own(authority: trustme.CA) -> Credentials:
    made = authority.issue_cert("client")
    certificate = b"".join(part.bytes() for part in made.cert_chain_pems)
    return Credentials(ca=CA, certificate=certificate, key=made.private_key_pem.bytes())


@contextmanager
def metrics() -> Iterator[str]:
    port = MetricsPort(CollectorRegistry(), "127.0.0.1:0")
    try:
        yield f"127.0.0.1:{port.port}"
    finally:
        port.close()


@contextmanager
def http1() -> Iterator[str]:
    with proxy("400 Bad Request") as server:
        yield f"127.0.0.1:{server.port}"


@contextmanager
def nothing() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    yield f"127.0.0.1:{port}"


@contextmanager
def no_host() -> Iterator[str]:
    yield "search.invalid:50051"


# What is there; what the client shows; the error; its words.
FAILING = {
    "nothing": (nothing, Credentials(), UnavailableError, "nothing listens on this port"),
    "no host": (no_host, Credentials(), UnavailableError, "no host with this name"),
    "metrics": (metrics, Credentials(), UnavailableError, "a web server (HTTP/1.1) answers there"),
    "web": (http1, Credentials(), UnavailableError, "a web server (HTTP/1.1) answers there"),
    "TLS to the metrics": (
        metrics,
        TLS,
        UnavailableError,
        "does not speak TLS. Leave out --tls, --ca",
    ),
    "TLS to none": (
        grpc_server,
        TLS,
        UnavailableError,
        "does not speak TLS. Leave out --tls, --ca",
    ),
    "none to TLS": (
        lambda: grpc_server(issued()),
        Credentials(),
        UnavailableError,
        "If the server uses TLS, give --tls, or --ca",
    ),
    "wrong authority": (
        lambda: grpc_server(issued()),
        Credentials(ca=OTHER.cert_pem.bytes()),
        UnavailableError,
        "an authority that is not trusted here. Give --ca",
    ),
    "usual authorities": (
        lambda: grpc_server(issued()),
        Credentials(tls=True),
        UnavailableError,
        "an authority that is not trusted here. Give --ca",
    ),
    "expired": (lambda: grpc_server(issued(days=-1)), TLS, UnavailableError, "has expired"),
    "other name": (
        lambda: grpc_server(issued("other.example")),
        TLS,
        UnavailableError,
        "certificate is for another name",
    ),
    "no client certificate": (
        lambda: grpc_server(issued(), CA),
        TLS,
        UnavailableError,
        "with --client-certificate",
    ),
    "client certificate of another": (
        lambda: grpc_server(issued(), CA),
        own(OTHER),
        UnavailableError,
        "with --client-certificate",
    ),
    "damaged authority": (
        lambda: grpc_server(issued()),
        Credentials(ca=b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        UnavailableError,
        "is not usable PEM",
    ),
    "other gRPC server": (grpc_server, Credentials(), ServerError, "is another gRPC server"),
}


@pytest.mark.parametrize("name", FAILING)
async def test_a_failed_connection_is_a_sentence(name: str) -> None:
    there, credentials, kind, words = FAILING[name]
    with there() as target:
        with Client(target, DEADLINE, credentials) as client:
            with pytest.raises(kind) as caught:
                client.get_gallery()
            with pytest.raises(UnavailableError, match="is not ready after") as waited:
                client.wait_until_ready(0.3)
        async with AsyncClient(target, DEADLINE, credentials) as other:
            with pytest.raises(kind) as theirs:
                await other.get_gallery()
    for error in (caught, waited, theirs):
        assert words in str(error.value) and target in str(error.value)
        assert "\n" not in str(error.value) and "last error" not in str(error.value)


def test_a_silent_server_is_told_from_one_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        with Client(target, 0.3) as client, pytest.raises(DeadlineError, match=target):
            client.get_gallery()


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        (Credentials(token="two words"), "one word of ASCII"),
        (Credentials(token="line\nbreak"), "one word of ASCII"),
        ("a token", r"Credentials\(token=.*not a str"),
        (Credentials(token="sch\u00fcssel"), "one word of ASCII"),
        (Credentials(token=b"bytes"), "one word of ASCII"),  # type: ignore[arg-type]
        (Credentials(ca=b"garbage"), "--ca.* is not PEM"),
        (Credentials(ca="text"), "--ca.* is not PEM"),  # type: ignore[arg-type]
        (Credentials(ca=CA, certificate=b"x", key=b"y"), "--client-certificate.* is not PEM"),
        (Credentials(ca=CA, certificate=CA), "needs its key .--client-key"),
    ],
)
def test_credentials_that_cannot_be_used_are_refused_at_once(
    credentials: Credentials, words: str
) -> None:
    with pytest.raises(CredentialsError, match=words):
        Client("127.0.0.1:1", credentials=credentials)


@pytest.mark.parametrize("option", ["--ca", "--token-file", "--client-certificate"])
def test_an_empty_file_is_not_taken_for_none(option: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    result = CliRunner().invoke(main, ["health", option, str(tmp_path / "empty")])
    assert result.exit_code == 1 and "is empty" in result.output


@pytest.mark.parametrize(
    "command",
    [
        ["health", "--wait", "60"],
        ["standing", "watch"],
        ["search", "--gallery-id", "a", "--region", "0,0,5,5"],
    ],
)
def test_ctrl_c_ends_a_call_to_a_dead_server(command: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as stack:
        silent.settimeout(60)
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        program = "import sys; from partlens.cli.main import main; main(sys.argv[1:])"
        process = subprocess.Popen(
            [sys.executable, "-c", program, *command, "--server", target],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        stack.callback(process.kill)
        connection, _ = silent.accept()  # the call has begun
        stack.enter_context(connection)
        time.sleep(0.2)
        process.send_signal(2)
        output, _ = process.communicate(timeout=20)
    assert process.returncode in (0, 130) and "Traceback" not in output


@pytest.mark.parametrize(("verbosity", "told"), [("", True), ("ERROR", False)])
def test_the_caller_decides_whether_grpc_writes_of_failed_handshakes(
    verbosity: str, told: bool
) -> None:
    program = (
        "import sys; from partlens.client import Client, ClientError, Credentials\n"
        "try: Client(sys.argv[1], 5, Credentials(tls=True)).get_gallery()\n"
        "except ClientError as error: print(error)"
    )
    others = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    with grpc_server() as target:
        done = subprocess.run(
            [sys.executable, "-c", program, target],
            env=others | ({"GRPC_VERBOSITY": verbosity} if verbosity else {}),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert "does not speak TLS" in done.stdout
    assert ("Handshake failed" in done.stderr) == told
