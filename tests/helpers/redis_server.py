"""A real redis-server on a free loopback port, which can be killed and restarted."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
import trustme
from killable import DEADLINE, Killable, running

from partlens.runtime.config.sections import RedisSection
from partlens.runtime.redis_connection import connect_blocking


def require(program: str) -> str:
    """The path of a program; if missing, the test is skipped, or fails under PARTLENS_TEST_ALL."""
    if path := shutil.which(program):
        return path
    if os.environ.get("PARTLENS_TEST_ALL"):
        pytest.fail(f"{program} is not installed")
    pytest.skip(f"{program} is not installed")


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class RedisServer(Killable):
    """Syncs every write to disk, so that all acknowledged writes survive a kill."""

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        super().__init__()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "password").write_text("hidden\n")
        self._port = free_port()
        ports = ["--port", str(self._port)]
        secure: dict[str, object] = {}
        if tls:
            authority = trustme.CA()
            authority.cert_pem.write_to_path(str(folder / "ca.pem"))
            mine = authority.issue_cert("127.0.0.1", "localhost")
            mine.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
            mine.private_key_pem.write_to_path(str(folder / "key.pem"))
            ports = ["--port", "0", "--tls-port", str(self._port)]
            ports += ["--tls-cert-file", str(folder / "cert.pem")]
            ports += ["--tls-key-file", str(folder / "key.pem")]
            ports += ["--tls-ca-cert-file", str(folder / "ca.pem"), "--tls-auth-clients", "no"]
            secure = {"ca": folder / "ca.pem"}
        self._command = [require("redis-server"), *ports, "--bind", "127.0.0.1"]
        self._command += ["--dir", str(folder), "--requirepass", "hidden", "--save", ""]
        self._command += ["--appendonly", "yes", "--appendfsync", "always"]
        self.values: dict[str, object] = {
            "url": f"redis{'s' if tls else ''}://127.0.0.1:{self._port}/0",
            "password_file": folder / "password",
            **secure,
        }

    @property
    def settings(self) -> RedisSection:
        """Settings to connect to it."""
        return RedisSection.model_validate(self.values)

    @property
    def client(self) -> redis.Redis:
        """A blocking client."""
        return connect_blocking(self.settings)

    def start(self) -> None:
        """Start the server; returns once it answers."""
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + DEADLINE
        while True:
            try:
                with self.client as client:
                    client.ping()
                return
            except redis.RedisError:
                assert self.process.poll() is None and time.monotonic() < end
                time.sleep(0.02)


@contextmanager
def running_redis(folder: Path, *, tls: bool = False) -> Iterator[RedisServer]:
    """A redis-server that runs until the end of the context."""
    with running(RedisServer(folder, tls=tls)) as server:
        yield server
