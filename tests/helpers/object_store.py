"""An S3-compatible store in a process of its own, its buckets, and a proxy that misbehaves."""

import http.client
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import quote, urlsplit

from redis_server import free_port

DEADLINE = 30.0
BUCKET = "pictures"
Fault = Literal["refuse", "lose", "slow", "deny", "throttle", "ignore conditions"]
"""What the proxy does with a request: cut the connection before the store gets it, or after the
store has carried it out; wait for a second; answer 403 or 503; leave out If-Match and the like."""


class Request(NamedTuple):
    """A request as the proxy sees it."""

    method: str
    path: str


# moto tells by it that a request is one for S3; it checks no signature.
_SIGNED = {
    "Content-Type": "application/xml",
    "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request,"
    " SignedHeaders=host, Signature=0",
}
Choice = Callable[[Request], Fault | None]


@contextmanager
def running_store(folder: Path) -> Iterator[str]:
    """The URL of a store with an empty bucket, for as long as the block runs."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "store.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url, until = f"http://127.0.0.1:{port}", time.monotonic() + DEADLINE
    try:
        while True:
            try:
                make_bucket(url, BUCKET)
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < until
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait(DEADLINE)


def make_bucket(url: str, name: str) -> None:
    """Create a bucket."""
    request = urllib.request.Request(f"{url}/{name}", method="PUT")
    urllib.request.urlopen(request, timeout=DEADLINE).close()


@dataclass(frozen=True)
class Bucket:
    """A bucket of a store.

    Attributes:
        url: of the store.
        name: of the bucket.
    """

    url: str
    name: str

    @property
    def address(self) -> str:
        """s3://name."""
        return f"s3://{self.name}"

    def put(self, key: str, data: bytes) -> None:
        """Write an object; the key may be one that S3 allows and obstore does not."""
        self._send("PUT", key, data)

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._send("DELETE", key, None)

    def upload(self, folder: Path, prefix: str) -> None:
        """Copy a folder's files to objects below a prefix."""
        for file in folder.rglob("*"):
            if file.is_file():
                self.put(f"{prefix}/{file.relative_to(folder).as_posix()}", file.read_bytes())

    def _send(self, method: str, key: str, data: bytes | None) -> None:
        url = f"{self.url}/{self.name}/{quote(key)}"
        request = urllib.request.Request(url, data, _SIGNED, method=method)
        urllib.request.urlopen(request, timeout=DEADLINE).close()


def environment(url: str, scratch: Path) -> dict[str, str]:
    """The variables by which partlens finds a store."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "hidden-key",
        "AWS_REGION": "us-east-1",
        "PARTLENS_SCRATCH": str(scratch),
    }


class Proxy:
    """Hands requests to a store, but for those that `choose` gives a fault.

    Attributes:
        url: of the proxy.
        seen: every request, in order.
        choose: may be replaced at any time.
    """

    def __init__(self, store: str) -> None:
        self.seen: list[Request] = []
        self.choose: Choice = lambda _: None
        target = urlsplit(store).netloc
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize, disable_nagle_algorithm = 2**16, True

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = Request(self.command, self.path)
                proxy.seen.append(asked)
                fault = proxy.choose(asked)
                if fault == "slow":
                    time.sleep(1.0)
                if fault == "refuse":
                    self.close_connection = True
                    return
                if fault in ("deny", "throttle"):
                    status, code = (403, "AccessDenied") if fault == "deny" else (503, "SlowDown")
                    self._answer(status, {}, f"<Error><Code>{code}</Code></Error>".encode())
                    return
                given = dict(self.headers)
                if fault == "ignore conditions":
                    given = {k: v for k, v in given.items() if not k.lower().startswith("if-")}
                upstream = http.client.HTTPConnection(target, timeout=DEADLINE)
                try:
                    upstream.request(self.command, self.path, body, given)
                    response = upstream.getresponse()
                    content = response.read()
                finally:
                    upstream.close()
                if fault == "lose":
                    self.close_connection = True
                    return
                self._answer(response.status, dict(response.getheaders()), content)

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _pass_on

            def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response_only(status)
                length = headers.pop("Content-Length", None)
                for name in ("Connection", "Transfer-Encoding", "Date", "Server"):
                    headers.pop(name, None)
                for name, value in headers.items():
                    self.send_header(name, value)
                of_head = self.command == "HEAD" and length is not None
                size = length if of_head and length else str(len(content))
                self.send_header("Content-Length", size)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join(DEADLINE)
        self._server.server_close()


def at(number: int, fault: Fault, of: Callable[[Request], bool] = lambda _: True) -> Choice:
    """A choice that gives the request of this number, from 1 on, and none other, a fault."""
    left, lock = number, threading.Lock()

    def choose(asked: Request) -> Fault | None:
        nonlocal left
        if not of(asked):
            return None
        with lock:
            left -= 1
            return fault if left == 0 else None

    return choose


def every(fault: Fault, of: Callable[[Request], bool] = lambda _: True) -> Choice:
    """A choice that gives every request of a kind a fault."""
    return lambda asked: fault if of(asked) else None


def puts(name: str) -> Callable[[Request], bool]:
    """Whether a request writes an object whose name has this in it."""
    return lambda asked: asked.method == "PUT" and name in asked.path


def keep_versions(url: str, bucket: str) -> None:
    """Create a bucket that keeps what is replaced or removed."""
    make_bucket(url, bucket)
    body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    request = urllib.request.Request(f"{url}/{bucket}?versioning", body, _SIGNED, method="PUT")
    urllib.request.urlopen(request, timeout=DEADLINE).close()
