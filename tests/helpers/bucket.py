"""An S3-compatible object store in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import obstore
import pytest
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

_numbers = count()


@dataclass(frozen=True)
class Bucket:
    """A bucket whose name no other test has.

    Attributes:
        name: of the bucket.
        address: s3://name.
        http: of the bucket on the server.
    """

    name: str
    address: str
    http: str

    def put(self, key: str, data: bytes) -> None:
        """Write an object; the key may be one that S3 allows and obstore does not."""
        headers = {"Content-Type": "application/octet-stream"}
        request = Request(f"{self.http}/{quote(key)}", data, headers, method="PUT")
        urlopen(request, timeout=20).close()

    def delete(self, key: str) -> None:
        """Remove an object."""
        obstore.delete(S3Store(self.name, client_options={"allow_http": True}), key)

    def upload(self, folder: Path, prefix: str) -> None:
        """Copy a folder's files to objects below a prefix."""
        for file in folder.rglob("*"):
            if file.is_file():
                self.put(f"{prefix}/{file.relative_to(folder).as_posix()}", file.read_bytes())


@contextmanager
def running_bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket; the environment of this process and its children says where it is."""
    server, name = ThreadedMotoServer("127.0.0.1", 0, verbose=False), f"archive-{next(_numbers)}"
    server.start()
    try:
        host, port = server.get_host_and_port()
        for key, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(key, value)
        found = Bucket(name, f"s3://{name}", f"http://{host}:{port}/{name}")
        urlopen(Request(found.http, method="PUT"), timeout=20).close()
        yield found
    finally:
        server.stop()
