"""`partlens bench index` on the starter model."""

import json

import pytest
from click.testing import CliRunner
from own_clock import Clock

from partlens.explainer.backbone import OnnxBackbone
from partlens.indexer.bench import indexing as bench


def test_each_stage_is_timed_and_indexing_is_compared_with_the_backbone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch, bench)
    clock.charge(OnnxBackbone, "__call__", lambda _, pixels: 1.0 * len(pixels))
    clock.charge(bench, "load", lambda *_: 2.0)
    # On top of running the backbone.
    clock.charge(bench, "index_images", lambda _, __, images, **___: 3.0 * len(images))
    result = CliRunner().invoke(
        bench.index, ["--count", "8", "--batch", "4", "--repeats", "1", "--json"]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "model": "starter",
        "images": 8,
        "batch": 4,
        "device": "cpu",
        "precision": "float32",
        "backbone": 1.0,
        "decoding": 0.5,
        "indexing": 0.25,
        "ratio": 0.25,
        "cpu_ratio": 0.25,
    }
