"""Layers that a graph does not show by itself: an embedding inside a module, an identity."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from partlens.explainer.errors import ModelError
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing

SIZE = Preprocessing(32, 16)


class Classifier(nn.Module):
    """Like torchvision's ResNet: a map, an identity, a pool, a flattening and class scores."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self._conv, self.same = nn.Conv2d(3, 8, 4, 4), nn.Identity()
        self.dropped, self.pool = nn.Dropout(), nn.AdaptiveAvgPool2d(1)
        self.neck, self.fc = nn.Linear(8, 6), nn.Linear(6, 5)

    def embedding(self, pixels: Tensor) -> Tensor:
        pooled: Tensor = self.pool(self.dropped(self.same(self._conv(pixels).relu())))
        return pooled

    def forward(self, pixels: Tensor) -> object:
        return self.fc(self.neck(self.embedding(pixels).flatten(1)))


class Several(Classifier):
    """Returns class scores under the name of a layer."""

    def forward(self, pixels: Tensor) -> object:
        necked = self.neck(self.embedding(pixels).flatten(1))
        return {"scores": self.fc(necked), "pool": necked}


class Twice(Classifier):
    def forward(self, pixels: Tensor) -> object:
        pooled = self.embedding(pixels).flatten(1)
        return self.fc(self.neck(pooled) + self.neck(-pooled))


def imported(net: nn.Module, **named: Any) -> MetricModel:
    return MetricModel.from_module(net, preprocessing=SIZE, name="x", **named)


def pixels() -> np.ndarray:
    return np.random.default_rng(3).standard_normal((2, 3, 32, 16)).astype(np.float32)


def total(model: MetricModel) -> Tensor:
    seen = model.decompose_pixels(pixels())
    return torch.from_numpy(seen.contributions.sum(1) + seen.bias)


@pytest.mark.parametrize("layer", ["_conv", "same", "dropped"])
def test_the_embedding_may_be_a_layer_inside(layer: str) -> None:
    """A pool gives [N, 8, 1, 1], which is flattened; the layers after it are left out."""
    net = Classifier().eval()
    model = imported(net, feature_layer=layer, embedding="pool")
    assert (model.spec.dimensions, model.spec.grid) == (8, (8, 4))
    with torch.no_grad():
        expected = net.embedding(torch.from_numpy(pixels())).flatten(1)
    if layer != "_conv":  # behind the ReLU, so that nothing is bias
        assert model.spec.bias_share == 0
    torch.testing.assert_close(total(model), expected)
    assert imported(net, feature_layer=layer, embedding="neck").spec.dimensions == 6
    assert not net._forward_hooks and not net.pool._forward_hooks


def test_an_output_of_the_same_name_comes_first() -> None:
    net = Several().eval()
    model = imported(net, feature_layer="same", embedding="pool")
    with torch.no_grad():
        expected: Any = net(torch.from_numpy(pixels()))
    torch.testing.assert_close(total(model), expected["pool"])


@pytest.mark.parametrize(
    ("net", "embedding", "message"),
    [
        (Classifier, "same", r"'same' gives \[N, 8, 8, 4\]; one vector for each picture"),
        (Classifier, "nothing", r"no 'nothing' and has no layer of that name"),
        (Twice, "neck", "'neck' runs 2 times"),
    ],
)
def test_a_layer_that_gives_no_embedding_is_refused(
    net: type[nn.Module], embedding: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        imported(net(), feature_layer="_conv", embedding=embedding)


def test_names_that_begin_with_an_underscore_are_listed() -> None:
    with pytest.raises(ModelError, match=r"no layer '_con'; layers: _conv, "):
        imported(Classifier(), feature_layer="_con")
