"""The example for Node works as it is, installed as docs/api.md says."""

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.server.conftest import picture
from tests.server.http.conftest import Fronts
from tests.server.http.test_curl_examples import PART, PLAIN

ROOT = Path(__file__).parents[3]
INSTALL = re.findall(r"^    (np[mx] .*)$", PART, re.MULTILINE)
EXAMPLE = (ROOT / "examples/node/search.mjs").read_text(encoding="utf-8")
_SECONDS = 110.0


async def run(command: str, folder: Path) -> str:
    process = await asyncio.create_subprocess_shell(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    async with asyncio.timeout(_SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm")
async def test_the_example_for_node_finds_the_picture(
    filled_fronts: Fronts, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    (tmp_path / "query.jpg").write_bytes(picture(3))
    assert len(INSTALL) == 3
    for command in INSTALL:
        await run(command, tmp_path)
    example = EXAMPLE.replace(PLAIN, f"http://127.0.0.1:{filled_fronts.port}")
    for text in (example, example.replace("useBinaryFormat: true", "useBinaryFormat: false")):
        (tmp_path / "search.mjs").write_text(text)
        hits = (await run("node search.mjs", tmp_path)).split("\n")
        assert len(hits) == 6 and hits[0].endswith(" p003")
    wrong = example.replace("width: 20", "width: 0")
    (tmp_path / "search.mjs").write_text(wrong)
    assert "InvalidArgument regions[0].region" in await run("node search.mjs", tmp_path)
