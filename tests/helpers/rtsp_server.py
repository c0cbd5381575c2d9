"""A real RTSP server on a free loopback port, which can be killed and restarted."""

import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import rtsp_camera
from redis_server import free_port

USER, PASSWORD = "viewer", "p@ss/w0rd:%20"
_PYTHON = "/usr/bin/python3"
_CAMERA = str(Path(rtsp_camera.__file__))
_START = 20.0


class RtspServer:
    """A camera at rtsp://127.0.0.1:PORT/gate that asks for a password."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None

    def url(self, password: str | None = PASSWORD) -> str:
        """Its address with the user, and the password if given."""
        secret = "" if password is None else f":{quote(password, safe='')}"
        return f"rtsp://{USER}{secret}@127.0.0.1:{self.port}/gate"

    def start(self) -> None:
        """Start the server; returns once it serves."""
        self._process = subprocess.Popen(
            [_PYTHON, _CAMERA, str(self.port), USER, PASSWORD], stdout=subprocess.PIPE, text=True
        )
        out = self._process.stdout
        assert out is not None
        assert select.select([out], [], [], _START)[0], "the RTSP server did not start"
        assert out.readline() == "serving\n"

    def kill(self) -> None:
        """Kill the server, as kill -9 does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@contextmanager
def rtsp_server() -> Iterator[RtspServer]:
    """A running server; without GStreamer the test is skipped, or fails under PARTLENS_TEST_ALL."""
    check = [_PYTHON, _CAMERA, "--check"]
    missing = not Path(_PYTHON).exists() or subprocess.run(
        check, stderr=subprocess.DEVNULL, timeout=_START, check=False
    ).returncode  # fmt: skip
    if missing:
        reason = "GStreamer's RTSP server is not installed (scripts/test names the packages)"
        if os.environ.get("PARTLENS_TEST_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)
    server = RtspServer()
    server.start()
    try:
        yield server
    finally:
        server.kill()
