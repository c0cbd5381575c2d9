"""MobileFaceNet has the shapes of its paper."""

import pytest
import torch

from partlens.explainer.architectures.mobilefacenet import MobileFaceNet
from partlens.explainer.errors import ModelError


def test_the_network_is_as_large_as_in_the_paper() -> None:
    net = MobileFaceNet((112, 112)).eval()
    assert sum(weight.numel() for weight in net.parameters()) == pytest.approx(0.99e6, rel=0.015)
    pixels = torch.zeros(1, 3, 112, 112)
    feature = net.conv2(net.blocks(net.dw_conv1(net.conv1(pixels))))
    assert feature.shape == (1, 512, 7, 7) and net(pixels).shape == (1, 128)


@pytest.mark.parametrize("size", [(112, 100), (0, 16), (8, 8)])
def test_another_input_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ModelError, match="multiples of 16"):
        MobileFaceNet(size)


def test_pixels_of_another_size_are_refused() -> None:
    with pytest.raises(ModelError, match="takes 112x96 pixels, got 224x224"):
        MobileFaceNet()(torch.zeros(1, 3, 224, 224))
