"""A spec survives model.json, and nothing else does."""

import json

import pytest

from partlens.explainer.errors import ModelError
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.spec import ModelSpec

SPEC = ModelSpec("m", "sha256:0", Preprocessing(32, 16), "conv", (4, 2), 8, "mean", 0.25, "MIT")


def test_what_is_read_is_what_was_written() -> None:
    assert ModelSpec.from_json(json.loads(json.dumps(SPEC.to_json()))) == SPEC


@pytest.mark.parametrize(
    "change",
    [
        {"grid": [4]},
        {"grid": [0, 2]},
        {"dimensions": 0},
        {"dimensions": True},
        {"dimensions": "8"},
        {"bias_share": None},
        {"bias_share": float("nan")},
        {"name": 3},
        {"preprocessing": []},
        {"preprocessing": {"height": 1}},
        {"unknown": 1},
    ],
)
def test_what_no_model_can_have_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        ModelSpec.from_json(SPEC.to_json() | change)
