"""Small PyTorch modules with the heads that metric learning uses."""

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def stem(channels: int = 8) -> nn.Sequential:
    """Stride 4, so that 16x8 pixels give a 4x2 map."""
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, 2, 1),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3, 2, 1),
        nn.PReLU(channels),
    )


class Net(nn.Module):
    """A stem and a head, "stem" and "head"."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.stem, self.head = stem(), head

    def forward(self, pixels: Tensor) -> Tensor:
        embedding: Tensor = self.head(self.stem(pixels))
        return embedding


class GeM(nn.Module):
    """Generalised mean pooling with a trained exponent."""

    def __init__(self) -> None:
        super().__init__()
        self.exponent = nn.Parameter(torch.tensor([3.0]))

    def forward(self, x: Tensor) -> Tensor:
        power = x.clamp(min=1e-6).pow(self.exponent)
        return F.avg_pool2d(power, (x.size(2), x.size(3))).pow(1.0 / self.exponent).flatten(1)


class Normalised(nn.Module):
    """L2 normalisation at the end."""

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x)


class TwoBranches(nn.Module):
    """Average and maximum, added and joined."""

    def forward(self, x: Tensor) -> Tensor:
        mean, largest = x.mean((2, 3)), x.amax((2, 3))
        return torch.cat([mean + largest, largest, mean.sigmoid() * mean], 1)


class Parts(nn.Module):
    """PCB: the map in horizontal stripes, each with its own 1x1 convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stripes = nn.ModuleList(nn.Conv2d(8, 3, 1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.adaptive_avg_pool2d(x, (2, 1)).chunk(2, 2)
        return torch.cat([s(p).flatten(1) for s, p in zip(self.stripes, pooled, strict=True)], 1)


class Squared(nn.Module):
    """Not a sum over positions: a product of two values that depend on them."""

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3))
        return pooled * pooled


class Softmaxed(nn.Module):
    """An operator that the list does not know."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)).cumsum(1)


HEADS: dict[str, nn.Module] = {
    "gap": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "gap, fc, bn, relu, dropout": nn.Sequential(
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
        nn.BatchNorm1d(5),
        nn.ReLU(),
        nn.Dropout(),
    ),
    "gmp, fc": nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 5)),
    "gem, normalised": nn.Sequential(GeM(), Normalised()),
    "flatten, fc": nn.Sequential(nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(64, 5)),
    "depthwise": nn.Sequential(
        nn.Conv2d(8, 8, (4, 2), groups=8, bias=False),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 5, 1),
        nn.BatchNorm2d(5),
        nn.Flatten(),
    ),
    "two branches": TwoBranches(),
    "parts": Parts(),
    "layer norm, gelu": nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 4)
    ),
    "convolutions, pools": nn.Sequential(
        nn.Conv2d(8, 6, 3, padding=1),
        nn.Hardswish(),
        nn.MaxPool2d(2, 2),
        nn.LeakyReLU(0.2),
        nn.ReLU6(),
        nn.SiLU(),
        nn.AvgPool2d((2, 1)),
        nn.Flatten(),
    ),
}


def make(name: str, seed: int = 0) -> Net:
    """A net with random weights and running statistics."""
    torch.manual_seed(seed)
    return randomised(Net(copy.deepcopy(HEADS[name])))


T = TypeVar("T", bound=nn.Module)


def randomised(net: T) -> T:
    """The net in eval mode, with random running statistics and gains."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return net.eval()


def factory() -> Net:
    """For --torch modules:factory."""
    return make("gap, fc, bn, relu, dropout", seed=1)


def unsupported() -> Net:
    """For --torch head_modules:unsupported; its head cannot be decomposed."""
    return Net(Softmaxed()).eval()
