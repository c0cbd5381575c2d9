"""`partlens bench search` on a small made-up gallery."""

import json

import pytest
from click.testing import CliRunner

from partlens.indexer.bench.peers import PEERS, installed
from partlens.server.bench.search import OURS, search


def test_each_contender_finds_what_its_own_exact_search_finds() -> None:
    asked = [word for name in OURS for word in ("--contender", name)]
    result = CliRunner().invoke(search, ["--images", "1000", "--queries", "8", "--json", *asked])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found) == set(OURS)
    # So few images are all scored: nothing may be missed.
    assert {name: one["recall_at_10"] for name, one in found.items()} == dict.fromkeys(found, 1.0)
    for one in found.values():
        assert 0 < one["p50_ms"] <= one["p99_ms"] and one["queries_per_second"] > 0
        assert one["memory_bytes"] > 0


def test_the_parts_of_a_search_add_up_to_it() -> None:
    # So many that indexes are asked for candidates.
    options = ["--images", "2200", "--queries", "4", "--clients", "2", "--json"]
    ours = ["--contender", "partlens_grpc", "--contender", "partlens"]
    result = CliRunner().invoke(search, [*options, *ours])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    parts = found.pop("parts")
    stages = ("positions_ms", "images_ms", "merge_ms", "score_ms", "look_up_ms")
    assert all(parts[name] > 0 for name in stages)
    assert parts["search_ratio"] == pytest.approx(parts["search_ms"] / parts["faiss_ms"])
    beyond = parts["call_ms"] - 1.5 * parts["faiss_ms"]
    assert parts["call_ratio"] == pytest.approx(beyond / parts["health_ms"])
    assert set(found) == {"partlens_grpc", "partlens"}
    assert all(one["speedup"] > 0 for one in found.values())


@pytest.mark.parametrize("peer", PEERS)
def test_a_database_that_is_installed_can_be_measured(peer: str) -> None:
    if peer not in installed():
        pytest.skip(f"{peer} is not installed: pip install --group bench")
    asked = ["--images", "1000", "--queries", "5", "--contender", peer, "--json"]
    result = CliRunner().invoke(search, asked)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found) == {peer, f"{peer}_documented"}
    first, last = found[f"{peer}_documented"], found[peer]
    assert 0 < last["p50_ms"] <= last["p99_ms"] and last["memory_bytes"] > 0
    # Asked as hard as it can be, it finds what MaxSim over all images finds.
    assert last["recall_at_10"] >= max(0.98, first["recall_at_10"])


def test_a_database_that_is_not_installed_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "lancedb", (("no_such_module",), PEERS["lancedb"][1]))
    options = ["--images", "1000", "--queries", "1"]
    named = CliRunner().invoke(search, [*options, "--contender", "lancedb"])
    assert named.exit_code == 1 and "not installed: lancedb" in named.output


def test_a_folder_of_another_size_is_not_taken(tmp_path: object) -> None:
    options = ["--queries", "1", "--contender", "partlens", "--folder", f"{tmp_path}/made"]
    assert CliRunner().invoke(search, ["--images", "1000", *options]).exit_code == 0
    again = CliRunner().invoke(search, ["--images", "1001", *options])
    assert again.exit_code == 1 and "holds 1000 images, not 1001" in again.output
