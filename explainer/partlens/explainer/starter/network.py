"""The starter network: a small residual network, global max pooling, one linear layer."""

import torch
from torch import Tensor, nn

from partlens.explainer.preprocessing import Preprocessing

DIMENSIONS = 128
FEATURE_LAYER = "features"
PREPROCESSING = Preprocessing(
    height=128, width=64, mean=(127.5, 127.5, 127.5), std=(64.0, 64.0, 64.0)
)


class StarterNetwork(nn.Module):
    """Pixels [N, 3, 128, 64] to an embedding [N, 128], through a 16 x 8 map of 256 channels.

    Global max pooling and a linear layer follow the map, as in section 3 of Zhu, Yang and Chen
    (2021): every channel comes from one place, so the embedding splits into places by itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(3, 64, 7, stride=4),
            Bottleneck(64, 32),
            *_convolution(64, 128, 3, stride=2),
            Bottleneck(128, 64),
            Bottleneck(128, 64),
            *_convolution(128, 256, 1),
        )
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.embed = nn.Linear(256, DIMENSIONS)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels [N, 3, 128, 64] to the embedding [N, 128], not normalised."""
        embedding: Tensor = self.embed(self.pool(self.features(pixels)).flatten(1))
        return embedding


class Bottleneck(nn.Module):
    """A residual block; its 3x3 convolution works on fewer channels than the block carries."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_convolution(channels, inner, 1),
            *_convolution(inner, inner, 3),
            nn.Conv2d(inner, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Shape [N, C, h, w] in and out."""
        return torch.relu(x + self.layers(x))


def _convolution(channels: int, out: int, kernel: int, stride: int = 1) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
    )
