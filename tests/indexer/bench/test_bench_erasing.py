"""`partlens bench erase` on a small gallery."""

import json

import pytest
from click.testing import CliRunner
from own_clock import Clock

from partlens.indexer.bench import erasing as bench


def test_erasing_is_compared_with_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, bench)
    clock.charge(bench, "_read", lambda _: 0.5)
    clock.charge(bench, "_hash", lambda _: 0.25)
    clock.charge(bench, "scan", lambda *_: 1.0)
    clock.charge(bench, "erase", lambda *_: 3.0)
    result = CliRunner().invoke(bench.erase_command, ["--images", "40", "--erased", "2", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    gigabytes = told["bytes"] / 1e9
    assert told["reading"] == pytest.approx(0.5 / gigabytes)
    assert told["hashing"] == pytest.approx(0.25 / gigabytes)
    assert told["searching"] == pytest.approx(1 / gigabytes)
    assert told["erasing"] == pytest.approx(3 / gigabytes) and told["ratio"] == pytest.approx(4)
    assert (told["images"], told["erased"]) == (40, 2)
