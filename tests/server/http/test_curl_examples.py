"""The examples with curl in docs/api.md work as they are printed."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from tests.server.access.test_certificates import write
from tests.server.conftest import DEADLINE, picture
from tests.server.http.conftest import both

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.access import tokens
from partlens.server.access.token_file import TokenFile
from partlens.server.calls.code import Code
from partlens.server.http.bodies import END_STREAM, PREFIX
from partlens.server.http.connect_errors import HTTP_STATUS

PAGE = (Path(__file__).parents[3] / "docs/api.md").read_text(encoding="utf-8")
PART = PAGE.partition("## HTTP and JSON")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PART, re.DOTALL | re.MULTILINE)
ERROR = re.findall(r"^```json\n(.*?)^```$", PART, re.DOTALL | re.MULTILINE)
PLAIN, SECURED = "http://127.0.0.1:8080", "https://search.example.org:8080"
# What the answers of each method must hold.
FIELDS: dict[str, set[str]] = {
    "GetGallery": {"version", "images", "model", "limits"},
    "ListImages": {"images", "nextPageToken"},
    "DeleteImages": set(),
    "SearchRegions": {"queries"},
    "UpsertImage": {"committed"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the examples run."""
    made = tmp_path / "examples"
    made.mkdir()
    (made / "query.jpg").write_bytes(picture(7, kind="JPEG"))
    return made


@pytest.fixture
async def addresses(
    folder: Path, tmp_path: Path, model: MetricModel, gallery: Gallery
) -> AsyncIterator[dict[str, str]]:
    """What the addresses in the page mean here: one server of pictures, and a secured one."""
    authority, file = trustme.CA(), TokenFile(tmp_path / "tokens.json")
    made, token = tokens.create("test", frozenset({"search"}))
    file.add(made)
    (folder / "token.txt").write_text(f"{token}\n")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    access = write(tmp_path, authority) | {"tokens": file.path}
    with Gallery.create(tmp_path / "other", model.spec) as other:
        async with both(model, gallery) as plain, both(model, other, access=access) as tls:
            await plain.fill(4)
            yield {
                PLAIN: f"http://127.0.0.1:{plain.port}",
                SECURED: f"https://localhost:{tls.port}",
            }


async def run(block: str, folder: Path, addresses: dict[str, str]) -> list[str]:
    """The output of every line of a block."""
    for shown, real in addresses.items():
        block = block.replace(shown, real)
    block = block.replace("curl ", "curl --silent --show-error ")
    outputs = []
    for line in block.strip().split("\n"):
        process = await asyncio.create_subprocess_exec(
            "sh", "-e", "-c", line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        async with asyncio.timeout(DEADLINE):
            output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        outputs.append(output.decode())
    return outputs


async def test_every_example_answers(folder: Path, addresses: dict[str, str]) -> None:
    seen = set()
    for block in BLOCKS:
        lines = block.strip().split("\n")
        for line, output in zip(lines, await run(block, folder, addresses), strict=True):
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
                assert "code" not in json.loads(output), output
            else:
                assert line.startswith("printf") and not output
    assert FIELDS.keys() <= seen and {"health", "WatchMatches"} <= seen


async def test_the_secured_server_wants_the_token(addresses: dict[str, str], folder: Path) -> None:
    request = f"curl --cacert ca.pem --json '{{}}' {SECURED}/partlens.v1.GalleryService/GetGallery"
    (output,) = await run(request, folder, addresses)
    assert json.loads(output)["code"] == "unauthenticated"


def test_the_table_of_statuses_is_that_of_the_code() -> None:
    rows = dict(re.findall(r"^\| (\d{3}) \| (.*) \|$", PART, re.MULTILINE))
    for code, status in HTTP_STATUS.items():
        assert f"`{code.snake}`" in rows[str(status)], code
    assert set(HTTP_STATUS) == set(Code) - {Code.OK}
