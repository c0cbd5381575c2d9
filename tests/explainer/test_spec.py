"""A spec survives model.json, and nothing else does."""

import json
from dataclasses import replace

import pytest

from partlens.common.registration import Axis, Registration
from partlens.explainer.errors import ModelError
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.spec import ModelSpec, Reduction

SPEC = ModelSpec("m", "sha256:0", Preprocessing(32, 16), "conv", (4, 2), 8, "mean", 0.25, "MIT")


REGISTERED = replace(
    SPEC, registered=Registration(Axis((0.2, 0.3, 0.6, 0.7)), Axis((0.1, 0.8), (0.05, 0.05)))
)
SMALLER = replace(SPEC, reduction=Reduction("sha256:1", (8, 2), 16, 0.125, 40))
WHITENED = replace(SPEC, reduction=Reduction("sha256:1", (8, 2), 16, 0.125, 40, 0.5, 3))
REDUCTION = {"of": "", "grid": [8, 2], "dimensions": 16, "lost": 0.1, "images": 40}


@pytest.mark.parametrize("spec", [SPEC, SMALLER, WHITENED, REGISTERED])
def test_what_is_read_is_what_was_written(spec: ModelSpec) -> None:
    assert ModelSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_a_spec_has_the_oldest_format_that_holds_it() -> None:
    assert [spec.format for spec in (SPEC, SMALLER, WHITENED)] == [1, 2, 3]
    # Keys of format 3 would change the digests of folders of format 2.
    assert SMALLER.reduction and set(SMALLER.reduction.to_json()) == set(REDUCTION)


def test_the_feature_map_of_a_smaller_model_is_the_larger_ones() -> None:
    assert (SPEC.feature_grid, SMALLER.feature_grid) == ((4, 2), (8, 2))


def test_a_model_without_measured_centres_spreads_its_cells_evenly() -> None:
    assert SPEC.registration == Registration.nominal((4, 2))
    assert REGISTERED.registration == REGISTERED.registered


def test_each_spec_has_the_oldest_format_that_holds_it() -> None:
    both = replace(SMALLER, registered=REGISTERED.registered)
    assert [spec.format for spec in (SPEC, SMALLER, REGISTERED, both)] == [1, 2, 3, 3]
    assert "registration" not in SPEC.to_json()


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
        {"registration": {}},
        {"registration": Registration.nominal((2, 2)).to_json()},
        {"registration": {"rows": {"centres": [0.5], "spreads": []}}},
        {"registration": [1]},
        {"reduction": {}},
        {"reduction": REDUCTION | {"lost": 2}},
        {"reduction": REDUCTION | {"grid": [8]}},
        {"reduction": REDUCTION | {"images": True}},
        {"reduction": REDUCTION | {"whitening": 1.5}},
        {"reduction": REDUCTION | {"whitening": float("nan")}},
        {"reduction": REDUCTION | {"whitening": "half"}},
        {"reduction": REDUCTION | {"removed": 16}},
        {"reduction": REDUCTION | {"removed": -1}},
        {"reduction": REDUCTION | {"removed": 1.5}},
    ],
)
def test_what_no_model_can_have_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        ModelSpec.from_json(SPEC.to_json() | change)
