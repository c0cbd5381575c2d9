"""The measurement of standing queries runs, and its ratio is that of its times."""

import pytest

from partlens.explainer.model import read_spec
from partlens.explainer.starter import model_folder
from partlens.server.bench.standing import measure


def test_both_ways_are_timed() -> None:
    cost = measure(read_spec(model_folder()), queries=20, images=2, repeats=1)
    assert (cost.queries, cost.images) == (20, 2)
    assert cost.together_ms > 0 and cost.ratio == pytest.approx(cost.apart_ms / cost.together_ms)
