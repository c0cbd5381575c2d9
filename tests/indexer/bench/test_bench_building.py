"""`partlens bench index --engine ray` on the starter model."""

import json
import subprocess
import sys

import pytest


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_cluster_is_compared_with_one_process() -> None:
    arguments = ["bench", "index", "--engine", "ray", "--count", "24", "--block", "8"]
    run = subprocess.run(
        [sys.executable, "-m", "partlens.cli", *arguments, "--repeats", "1", "--json"],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert (found["model"], found["images"], found["block"]) == ("starter", 24, 8)
    assert found["ratio"] == pytest.approx(found["ray"] / found["local"])
    assert found["steady_ratio"] == pytest.approx(found["steady"] / found["local"])
    # All of it took at least as long as the part before the first commit.
    assert 24 / found["ray"] > found["first_seconds"] > 0
