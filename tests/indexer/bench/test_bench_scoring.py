"""`partlens bench score` on a few images."""

import json

import pytest
from click.testing import CliRunner
from own_clock import Clock

from partlens.explainer.scoring.arrays import ArrayScorer
from partlens.explainer.scoring.stack import PartStack
from partlens.explainer.stored import Stored
from partlens.indexer.bench import scoring as bench


def test_each_way_is_timed_for_each_storage_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, bench)
    clock.charge(bench, "score_rows", lambda *_: 1.0)
    clock.charge(ArrayScorer, "images", lambda *_: 4.0)
    clock.charge(PartStack, "along", lambda *_: 0.5)
    clock.charge(Stored, "take", lambda *_: 0.25)
    asked = ["--images", "9", "--candidates", "3", "--candidates", "20", "--repeats", "1"]
    result = CliRunner().invoke(bench.score, [*asked, "--json"])
    assert result.exit_code == 0, result.output
    costs = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(cost.pop("storage"), cost.pop("candidates")) for cost in costs] == [
        (storage, count) for storage in ("float16", "int8") for count in (3, 9)
    ]
    # The numpy version makes a product of its own.
    assert (
        costs
        == [
            {
                "kernel_ms": 1000.0,
                "mapped_ms": 1000.0,
                "numpy_ms": 4500.0,
                "product_ms": 500.0,
                "reading_ms": 250.0,
                "mapped_reading_ms": 250.0,
            }
        ]
        * 4
    )
