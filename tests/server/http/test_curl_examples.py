"""The examples with curl in docs/api.md work as they are printed."""

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import head_modules
import pytest
import trustme
from server_process import server_process
from tests.server.access.test_certificates import write
from tests.server.conftest import DEADLINE, picture
from tests.server.http.test_equal_answers import PLACEHOLDERS

from partlens.client import Client, Credentials, Upload
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.indexer.gallery import Gallery
from partlens.server.access import tokens
from partlens.server.access.token_file import TokenFile
from partlens.server.http.bodies import END_STREAM, PREFIX

PAGE = (Path(__file__).parents[3] / "docs/api.md").read_text(encoding="utf-8")
PART = PAGE.partition("## HTTP and JSON")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PART, re.DOTALL | re.MULTILINE)
ERROR = re.findall(r"^```json\n(.*?)^```$", PART, re.DOTALL | re.MULTILINE)
PLAIN, SECURED = "http://127.0.0.1:8080", "https://search.example.org:8080"
# What the answers of each method must hold.
FIELDS = {
    "GetGallery": {"version", "images", "model", "limits"},
    "ListImages": {"images", "nextPageToken"},
    "DeleteImages": {"galleryVersion"},
    "SearchRegions": {"hits", "queries", "galleryVersion"},
    "UpsertImage": {"committed"},
}


@contextmanager
def serving(
    folder: Path, model: Path, *options: str, ca: bytes | None, token: str
) -> Iterator[str]:
    """A server of three pictures; the address of its page."""
    folder.mkdir()
    gallery, file = folder / "gallery", folder / "http.address"
    Gallery.create(gallery, MetricModel.load(model).spec).close()
    more = ["--http", "localhost:0", "--set", f"server.http_address_file={file}", *options]
    with server_process(folder / "model", gallery, *more) as server:
        address = f"localhost:{server.address.rpartition(':')[2]}"
        credentials = Credentials(ca=ca, token=token) if ca else None
        with Client(address, credentials=credentials) as client:
            client.upsert_images([Upload(f"p{i}", picture(i)) for i in range(4)])
        yield file.read_text().strip().rstrip("/")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the examples run: a picture, a token and a certificate."""
    return tmp_path_factory.mktemp("curl")


@pytest.fixture(scope="module")
def addresses(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the addresses in the page mean here."""
    apart = tmp_path_factory.mktemp("servers")
    authority = trustme.CA()
    ca, file = authority.cert_pem.bytes(), TokenFile(apart / "tokens.json")
    made, token = tokens.create("test", frozenset({"search", "ingest"}))
    file.add(made)
    (folder / "query.jpg").write_bytes(picture(7, kind="JPEG"))
    (folder / "token.txt").write_text(f"{token}\n")
    (folder / "ca.pem").write_bytes(ca)
    model = MetricModel.from_module(
        head_modules.make("two branches"),
        feature_layer="stem", preprocessing=Preprocessing(32, 16), name="t", licence="MIT",
    )  # fmt: skip
    files = write(apart, authority) | {"tokens": file.path}
    secured = [text for key, path in files.items() for text in ("--set", f"access.{key}={path}")]
    with (
        serving(apart / "plain", model, ca=None, token="") as plain,
        serving(apart / "tls", model, *secured, ca=ca, token=token) as tls,
    ):
        assert tls.startswith("https://localhost:")
        yield {PLAIN: plain, SECURED: tls}


def run(block: str, folder: Path, addresses: dict[str, str]) -> list[str]:
    """The output of every line of a block."""
    for shown, real in addresses.items():
        block = block.replace(shown, real)
    block = block.replace("curl ", "curl --silent --show-error ")
    return [
        subprocess.run(
            ["sh", "-e", "-c", line], cwd=folder, check=True, timeout=DEADLINE,
            capture_output=True, text=True,
        ).stdout
        for line in block.strip().split("\n")
    ]  # fmt: skip


def test_every_example_answers(folder: Path, addresses: dict[str, str]) -> None:
    seen = set()
    for block in BLOCKS:
        if any(f"/{name}" in block for name in PLACEHOLDERS):
            continue
        lines = block.strip().split("\n")
        for line, output in zip(lines, run(block, folder, addresses), strict=True):
            method = line.rpartition("/")[2].split()[0]
            seen.add(method)
            if line.endswith("/health"):
                assert output == "ready\n"
            elif "no-such-image" in line and method == "GetImage":
                assert json.loads(output) == json.loads(ERROR[0])
            elif method == "WatchMatches":
                flags, size = PREFIX.unpack_from((folder / "matches.bin").read_bytes())
                assert flags == END_STREAM and size
            elif method in FIELDS:
                assert json.loads(output).keys() >= FIELDS[method], output
            else:
                assert line.startswith("printf") and not output
    assert FIELDS.keys() - PLACEHOLDERS <= seen and {"health", "WatchMatches"} <= seen


def test_the_secured_server_wants_the_token(addresses: dict[str, str], folder: Path) -> None:
    request = f"curl --cacert ca.pem --json '{{}}' {SECURED}/partlens.v1.GalleryService/GetGallery"
    (output,) = run(request, folder, addresses)
    assert json.loads(output)["code"] == "unauthenticated"
    with urllib.request.urlopen(f"{addresses[PLAIN]}/health", timeout=DEADLINE) as response:
        assert response.status == 200


def test_the_table_of_statuses_is_that_of_the_code() -> None:
    from partlens.server.calls.code import Code
    from partlens.server.http.connect_errors import HTTP_STATUS

    rows = dict(re.findall(r"^\| (\d{3}) \| (.*) \|$", PART, re.MULTILINE))
    for code, status in HTTP_STATUS.items():
        assert f"`{code.snake}`" in rows[str(status)], code
    assert set(HTTP_STATUS) == set(Code) - {Code.OK}
