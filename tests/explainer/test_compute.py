"""What a backbone runs on changes its features by rounding alone, or is refused."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from partlens.common.compute import Compute
from partlens.explainer.errors import ModelError
from partlens.explainer.head.run import run
from partlens.explainer.model import MetricModel
from partlens.explainer.starter import model_folder

FLOAT16 = Compute(precision="float16")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    size = MetricModel.load(model_folder()).spec.preprocessing
    random = np.random.default_rng(0)
    return random.standard_normal((5, 3, size.height, size.width)).astype(np.float32)


def closeness(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max() / np.abs(one).max())


def require_like(compute: Compute, pixels: np.ndarray, tolerance: float) -> None:
    exact, other = MetricModel.load(model_folder()), MetricModel.load(model_folder(), compute)
    feature = other.backbone(pixels)
    assert feature.dtype == np.float32
    assert 0 < closeness(exact.backbone(pixels), feature) < tolerance
    # The decomposition is exact for the features that it is given.
    seen = other.decompose_pixels(pixels)
    embeddings = run(other.head, torch.from_numpy(feature)).numpy()
    np.testing.assert_allclose(seen.contributions.sum(1) + seen.bias, embeddings, atol=1e-4)
    # And what it gives is saved as it was.
    assert other.backbone.to_onnx() == exact.backbone.to_onnx()
    assert replace(other.spec) == exact.spec


def test_float16_inside_changes_features_by_rounding(pixels: np.ndarray) -> None:
    require_like(FLOAT16, pixels, 0.02)


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="it can use GPUs"
)
def test_without_a_build_for_gpus_it_says_what_to_install() -> None:
    with pytest.raises(ModelError, match="onnxruntime-gpu"):
        MetricModel.load(model_folder(), Compute("cuda"))


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_features_of_a_gpu_are_those_of_the_cpu(pixels: np.ndarray, precision: str) -> None:
    compute = Compute("cuda", "float16" if precision == "float16" else "float32")
    require_like(compute, pixels, 0.02)
