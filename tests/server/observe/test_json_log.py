"""Every line of a JSON log is JSON, whatever strangers send to a port with TLS."""

import json
import socket
import ssl
from pathlib import Path

import pytest
from server_process import process_in

from partlens.client import AccessError, Client, Credentials, UnavailableError
from partlens.server.setup.folder import Place, ServerFolder

NOISE = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),  # a gRPC client without TLS
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x00\x05hello",  # a damaged handshake
    b"\x80" * 300,
    b"",
)


def send(port: int, data: bytes) -> None:
    """Connect, send, and wait until the server hangs up or half a second has passed."""
    with socket.create_connection(("127.0.0.1", port), 10) as stranger:
        stranger.sendall(data)
        stranger.settimeout(0.5)
        try:
            while stranger.recv(4096):
                pass
        except OSError:
            pass


def test_clients_without_tls_leave_no_other_line(tmp_path: Path) -> None:
    folder, http = ServerFolder(tmp_path / "server"), tmp_path / "http.address"
    list(folder.prepare(Place(http_listen="127.0.0.1:0")))
    options = ("--config", folder.settings, "--set", f"server.http_address_file={http}")
    with process_in(tmp_path, *options) as server:
        grpc_port = int(server.address.rpartition(":")[2])
        ports = (grpc_port, int(http.read_text().strip().strip("/").rpartition(":")[2]))
        for port in ports:
            for data in NOISE:
                send(port, data)
            with pytest.raises(ssl.SSLCertVerificationError):
                with socket.create_connection(("127.0.0.1", port), 10) as raw:
                    ssl.create_default_context().wrap_socket(raw, server_hostname="localhost")
        with Client(f"localhost:{grpc_port}", 2.0, Credentials()) as client:
            with pytest.raises(UnavailableError):
                client.get_gallery()
        ca = folder.tls.authority.read_bytes()
        with Client(f"localhost:{grpc_port}", 10.0, Credentials(ca=ca)) as client:
            with pytest.raises(AccessError):
                client.get_gallery()
    lines = server.finish().splitlines()
    found = [json.loads(line) for line in lines]
    assert any("certificate in use, expires" in one["message"] for one in found)
    assert any("expires" in one and "fingerprint" in one for one in found)
