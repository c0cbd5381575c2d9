"""An S3-compatible object store in this process, with one bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
import pytest
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

BUCKET = "archive"


@contextmanager
def running_bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Store]:
    """An empty bucket; the environment of this process and its children says where it is."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        _create(f"http://{host}:{port}/{BUCKET}")
        yield S3Store(BUCKET, client_options={"allow_http": True})
    finally:
        server.stop()


def upload(store: S3Store, folder: Path, prefix: str) -> None:
    """Copy a folder's files to objects below a prefix."""
    for file in folder.rglob("*"):
        if file.is_file():
            obstore.put(store, f"{prefix}/{file.relative_to(folder).as_posix()}", file)


def _create(address: str) -> None:
    from urllib.request import Request, urlopen

    with urlopen(Request(address, method="PUT"), timeout=20):
        pass
