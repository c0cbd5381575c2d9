"""The benchmark of standing queries times both ways, each over all queries."""

import pytest
from own_clock import Clock

from partlens.explainer.model import read_spec
from partlens.explainer.scoring import ManySearches
from partlens.explainer.starter import model_folder
from partlens.server.bench import standing as bench


def test_one_search_for_each_query_is_compared_with_all_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch, bench)
    clock.charge(ManySearches, "scores", lambda *_: 2.0)
    clock.charge(bench, "score_images", lambda *_: 3.0)
    cost = bench.measure(read_spec(model_folder()), queries=20, images=2, repeats=1)
    assert cost == bench.StandingCost(20, 2, together_ms=2000, apart_ms=60_000, ratio=30)
