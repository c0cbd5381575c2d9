"""`partlens bench growth` on small generated galleries."""

import json
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from partlens.indexer.bench.filling import Filling
from partlens.indexer.bench.growing import growth


def test_galleries_are_filled_once_and_compared_in_turn(tmp_path: Path) -> None:
    options = ["--images", "1000", "--images", "3000", "--queries", "4", "--memory", "1GiB"]
    command = [*options, "--storage", "int8", "--folder", str(tmp_path), "--json"]
    result = CliRunner().invoke(growth, command)
    assert result.exit_code == 0, result.output
    small, large = json.loads(result.stdout)
    assert (small["images"], large["images"], small["ratio"]) == (1000, 3000, 1.0)
    for one in (small, large):
        assert one["recall_at_10"] >= 0.9 and one["p50_ms"] > 0
        assert one["filling"]["processor_seconds"] > 0
    again = CliRunner().invoke(growth, command)
    assert [one["filling"] for one in json.loads(again.stdout)] == [
        small["filling"],
        large["filling"],
    ]
    kept = json.loads((tmp_path / "3000" / "exact.json").read_text())
    assert len(kept) == 4 and all(len(best) == 10 for best in kept.values())


def test_a_run_that_was_killed_is_resumed(tmp_path: Path) -> None:
    options = ["--images", "4000", "--queries", "2", "--folder", str(tmp_path), "--json"]
    command = [sys.executable, "-m", "partlens.cli", "bench", "growth", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("1024 images")
        process.kill()
    before = Filling.read(tmp_path / "4000")
    assert 1024 <= before.images < 4000 and not before.complete

    result = CliRunner().invoke(growth, options)
    (found,) = json.loads(result.stdout)
    assert found["images"] == 4000 and found["recall_at_10"] >= 0.9
    filling = found["filling"]
    assert filling["complete"] and filling["processor_seconds"] > before.processor_seconds
    assert not result.stderr.startswith("1024 images")
