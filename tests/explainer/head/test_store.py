"""A stored head is the same head; damaged or foreign files are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from partlens.explainer.errors import ModelFileError
from partlens.explainer.head import store
from partlens.explainer.head.operators import Head, Operator
from partlens.explainer.head.run import run
from partlens.explainer.parts_on_disk import HEAD_FILE, WEIGHTS_FILE, read_part

HEAD = Head(
    (
        Operator("clamp", "a", "gem", ("feature",), {"min": 1e-6, "max": None}),
        Operator("mean", "b", "pool", ("a",), {"axes": (2, 3), "keepdim": False}),
        Operator("linear", "c", "fc", ("b", "w"), {}),
        Operator("mul", "d", "", ("c", 2.0), {}),
    ),
    {"w": torch.arange(6.0).reshape(2, 3)},
    "d",
)


def read(folder: Path) -> Head:
    return store.read(read_part(folder, HEAD_FILE), read_part(folder, WEIGHTS_FILE))


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    store.write(HEAD, tmp_path)
    again = read(tmp_path)
    assert again.operators == HEAD.operators and again.output == HEAD.output
    feature = torch.rand(2, 3, 4, 4)
    assert torch.equal(run(again, feature), run(HEAD, feature))


def test_weights_that_share_memory_are_stored(tmp_path: Path) -> None:
    weight = torch.rand(3, 3)
    twice = (
        Operator("mean", "a", "", ("feature",), {"axes": (2, 3), "keepdim": False}),
        Operator("linear", "b", "", ("a", "w"), {}),
        Operator("linear", "c", "", ("b", "t"), {}),
    )
    store.write(Head(twice, {"w": weight, "t": weight.T}, "c"), tmp_path)
    assert torch.equal(read(tmp_path).weights["t"], weight.T)


@pytest.mark.parametrize("name", [HEAD_FILE, WEIGHTS_FILE])
def test_truncated_and_missing_files_are_refused(tmp_path: Path, name: str) -> None:
    store.write(HEAD, tmp_path)
    data = (tmp_path / name).read_bytes()
    for kept in range(0, len(data) - 2, max(1, len(data) // 50)):
        (tmp_path / name).write_bytes(data[:kept])
        with pytest.raises(ModelFileError):
            read(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelFileError, match=name):
        read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "eval"}, "kind 'eval'"),
        ({"inputs": []}, "0 inputs"),
        ({"inputs": ["feature", "w", "w", "w"]}, "4 inputs"),
        ({"inputs": ["nobody", "w"]}, "neither a weight"),
        ({"inputs": [{"a": 1}]}, "names or numbers"),
        ({"attributes": {"x": 1}}, "attributes"),
        ({"kind": "select", "inputs": ["b"], "attributes": {"axis": True, "index": 0}}, "axis"),
        ({"kind": "permute", "inputs": ["b"], "attributes": {"axes": [0, "1"]}}, "axes"),
    ],
)
def test_foreign_operators_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    store.write(HEAD, tmp_path)
    plain = json.loads((tmp_path / HEAD_FILE).read_text())
    plain["operators"][2].update(change)
    (tmp_path / HEAD_FILE).write_text(json.dumps(plain))
    with pytest.raises(ModelFileError, match=message):
        read(tmp_path)


def test_a_kind_of_the_callers_own_cannot_be_stored(tmp_path: Path) -> None:
    own = Head((Operator("double", "a", "", ("feature",), {}),), {}, "a")
    with pytest.raises(ModelFileError, match="double"):
        store.write(own, tmp_path)
