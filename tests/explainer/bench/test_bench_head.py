"""`partlens bench head` on the starter model."""

import json

import pytest
from click.testing import CliRunner
from own_clock import Clock

from partlens.explainer.backbone import OnnxBackbone
from partlens.explainer.bench import head as bench
from partlens.explainer.model import MetricModel
from partlens.explainer.starter import model_folder


def test_each_half_is_timed_and_the_head_is_compared_with_the_backbone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch, bench)
    clock.charge(OnnxBackbone, "__call__", lambda _, pixels: 4.0 * len(pixels))
    clock.charge(MetricModel, "decompose_features", lambda _, feature: 1.0 * len(feature))
    result = CliRunner().invoke(
        bench.head, [str(model_folder()), "--batch", "2", "--repeats", "1", "--json"]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "model": "starter",
        "batch": 2,
        "backbone_ms": 8000.0,
        "head_ms": 2000.0,
        "ratio": 0.25,
    }
