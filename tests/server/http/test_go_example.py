"""The example for Go works as it is."""

import shutil
from pathlib import Path

import pytest
from tests.server.conftest import picture
from tests.server.http.conftest import Fronts
from tests.server.http.test_curl_examples import PLAIN
from tests.server.http.test_node_example import run

EXAMPLE = (Path(__file__).parents[3] / "examples/go/search.go").read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("go") is None, reason="no go")
async def test_the_example_for_go_finds_the_picture(filled_fronts: Fronts, tmp_path: Path) -> None:
    (tmp_path / "query.jpg").write_bytes(picture(3))
    example = EXAMPLE.replace(PLAIN, f"http://127.0.0.1:{filled_fronts.port}")
    (tmp_path / "search.go").write_text(example)
    hits = (await run("go run search.go", tmp_path)).split("\n")
    assert len(hits) == 6 and hits[0].endswith(" p003")
    (tmp_path / "search.go").write_text(example.replace('"width": 20', '"width": 0'))
    said = await run("go run search.go || true", tmp_path)
    assert "invalid_argument: regions[0].region" in said
