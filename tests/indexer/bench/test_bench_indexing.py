"""`partlens bench index` on the starter model."""

import json

import pytest
from click.testing import CliRunner

from partlens.indexer.bench.indexing import index


def test_one_round_gives_ratios_of_its_own_times() -> None:
    result = CliRunner().invoke(index, ["--count", "8", "--batch", "4", "--repeats", "1", "--json"])
    assert result.exit_code == 0, result.output
    speed = json.loads(result.stdout)
    assert speed["images"] == 8 and speed["decoding"] > 0 and speed["cpu_ratio"] > 0
    assert speed["ratio"] == pytest.approx(speed["indexing"] / speed["backbone"])
