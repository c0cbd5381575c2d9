"""Of several tensors that a module returns, the caller says which is the embedding."""

from collections.abc import Callable
from pathlib import Path

import head_modules
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from partlens.explainer.errors import ModelError
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing

SIZE = Preprocessing(16, 8)
Shape = Callable[[Tensor, Tensor], object]


class Several(nn.Module):
    """Logits and an embedding, returned in some form."""

    def __init__(self, form: Shape) -> None:
        super().__init__()
        self.net, self.classes = head_modules.make("gap, fc, bn, relu, dropout"), nn.Linear(5, 7)
        self.form = form

    def forward(self, pixels: Tensor) -> object:
        embedding = self.net(pixels)
        return self.form(self.classes(embedding), embedding)


def imported(form: Shape, embedding: str) -> MetricModel:
    return MetricModel.from_module(
        Several(form),
        feature_layer="net.stem",
        embedding=embedding,
        preprocessing=SIZE,
        name="x",
    )


FORMS: dict[str, tuple[Shape, str, str]] = {
    "tuple": (lambda a, b: (a, b), "1", r"0 \[N, 7\], 1 \[N, 5\]"),
    "mapping": (
        lambda a, b: {"logits": a, "features": b},
        "features",
        r"logits \[N, 7\], features \[N, 5\]",
    ),
    "nested": (lambda a, b: {"out": [a, (b, None)]}, "out.1.0", r"out\.0 \[N, 7\], out\.1\.0"),
}


@pytest.mark.parametrize("form", FORMS)
def test_several_are_refused_until_one_is_named(form: str) -> None:
    shape, name, listed = FORMS[form]
    with pytest.raises(ModelError, match=rf"returns 2 tensors: {listed}.*--embedding"):
        imported(shape, "")
    with pytest.raises(ModelError, match=rf"no 'nothing' and has no layer .*; it returns {listed}"):
        imported(shape, "nothing")
    model = imported(shape, name)
    pixels = np.random.default_rng(0).standard_normal((2, 3, 16, 8)).astype(np.float32)
    with torch.no_grad():
        expected = head_modules.make("gap, fc, bn, relu, dropout")(torch.from_numpy(pixels))
    found = model.decompose_pixels(pixels)
    np.testing.assert_allclose(found.contributions.sum(1) + found.bias, expected, atol=1e-5)


def test_the_only_tensor_needs_no_name(tmp_path: Path) -> None:
    assert imported(lambda _, b: {"features": b}, "").spec.dimensions == 5
    assert imported(lambda _, b: [b], "").spec.dimensions == 5
    with pytest.raises(ModelError, match=r"no '1' and has no layer .*a tensor without a name"):
        imported(lambda _, b: b, "1")
