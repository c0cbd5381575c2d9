"""`partlens bench head` on the starter model."""

import json

import pytest
from click.testing import CliRunner

from partlens.explainer.bench.head import head
from partlens.explainer.starter import model_folder


def test_the_ratio_is_that_of_the_two_times() -> None:
    result = CliRunner().invoke(
        head, [str(model_folder()), "--batch", "2", "--repeats", "1", "--json"]
    )
    assert result.exit_code == 0, result.output
    cost = json.loads(result.stdout)
    assert cost["model"] == "starter" and cost["batch"] == 2
    assert cost["ratio"] * cost["backbone_ms"] == pytest.approx(cost["head_ms"])
