"""A small two-stream network, for panoramas and aerial pictures, and its training.

Each stream is a few convolutions, global pooling and one linear layer. A panorama covers 360
degrees, so its convolutions wrap around.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partlens.explainer.evaluation.orientation.scenes import (
    AERIAL_SIDE,
    PANORAMA_HEIGHT,
    PANORAMA_WIDTH,
    Pair,
)
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing

Pooling = Literal["max", "average"]

DIMENSIONS = 64
_CHANNELS = 96
_PIXELS = ((127.5, 127.5, 127.5), (64.0, 64.0, 64.0))
PANORAMA = Preprocessing(PANORAMA_HEIGHT, PANORAMA_WIDTH, "rgb", *_PIXELS)
AERIAL = Preprocessing(AERIAL_SIDE, AERIAL_SIDE, "rgb", *_PIXELS)


@dataclass(frozen=True)
class StreamTraining:
    """How the two streams are trained.

    Attributes:
        seed: seed of weights and batches.
        pairs: number of training pairs.
        steps: number of batches.
        pooling: max, as in the paper's section 3, or average.
        batch: pairs in a batch; each must be distinguished from all others.
        learning_rate: peak learning rate.
        temperature: divisor of cosine similarities.
    """

    seed: int = 0
    pairs: int = 2000
    steps: int = 400
    pooling: Pooling = "max"
    batch: int = 32
    learning_rate: float = 3e-3
    temperature: float = 0.1


class Stream(nn.Module):
    """Pixels [N, 3, rows, cols] to an embedding [N, DIMENSIONS]; the map is a quarter as high and
    wide.

    Args:
        around: whether the picture wraps around from its right edge to its left.
        pooling: pooling over all positions.
    """

    def __init__(self, around: bool, pooling: Pooling = "max") -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(3, 32, 5, 2, around),
            *_convolution(32, 64, 3, 2, around),
            *_convolution(64, 64, 3, 1, around),
            *_convolution(64, _CHANNELS, 3, 1, around),
        )
        self.pool = nn.AdaptiveMaxPool2d(1) if pooling == "max" else nn.AdaptiveAvgPool2d(1)
        self.embed = nn.Linear(_CHANNELS, DIMENSIONS)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels [N, 3, rows, cols] to the embedding [N, DIMENSIONS], not normalised."""
        embedding: Tensor = self.embed(self.pool(self.features(pixels)).flatten(1))
        return embedding


class Around(nn.Module):
    """Pads columns with those of the other edge, and rows with zeros."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """Shape [N, C, rows, cols] to [N, C, rows + 2 width, cols + 2 width]."""
        wide = torch.cat([x[..., -self.width :], x, x[..., : self.width]], 3)
        return F.pad(wide, (0, 0, self.width, self.width))


def _convolution(
    channels: int, out: int, kernel: int, stride: int, around: bool
) -> tuple[nn.Module, ...]:
    pad = kernel // 2
    return (
        Around(pad) if around else nn.ZeroPad2d(pad),
        nn.Conv2d(channels, out, kernel, stride, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
    )


def train(
    pairs: Sequence[Pair],
    training: StreamTraining,
    progress: Callable[[int, float], None] = lambda step, loss: None,
) -> tuple[MetricModel, MetricModel]:
    """Train models for panoramas and aerial pictures with a shared embedding space.

    Each picture must find its counterpart in the batch (cross entropy over cosine similarities, in
    both directions). The same settings give the same models on the same kind of machine with the
    same number of threads.

    Args:
        pairs: at least one batch.
        training: how to train.
        progress: called after each step with its number and loss.
    """
    torch.manual_seed(training.seed)
    streams = nn.ModuleList([Stream(around, training.pooling) for around in (True, False)]).train()
    optimiser = torch.optim.AdamW(streams.parameters(), training.learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, training.learning_rate, total_steps=max(training.steps, 2), pct_start=0.15
    )
    same = torch.arange(min(training.batch, len(pairs)))
    for step, pixels in enumerate(_batches(pairs, training)):
        street, aerial = (
            F.normalize(stream(some)) for stream, some in zip(streams, pixels, strict=True)
        )
        logits = street @ aerial.T / training.temperature
        loss = (F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same)) / 2
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        progress(step, loss.item())
    return (
        MetricModel.from_module(
            streams[0], feature_layer="features", preprocessing=PANORAMA, name="panorama"
        ),
        MetricModel.from_module(
            streams[1], feature_layer="features", preprocessing=AERIAL, name="aerial"
        ),
    )


def _batches(pairs: Sequence[Pair], training: StreamTraining) -> Iterator[tuple[Tensor, Tensor]]:
    """Pixels of panoramas and of aerial pictures, [N, 3, rows, cols] each."""
    panoramas = np.stack([PANORAMA.pixels(pair.panorama) for pair in pairs])
    aerials = np.stack([AERIAL.pixels(pair.aerial) for pair in pairs])
    random = np.random.default_rng(training.seed)
    for _ in range(training.steps):
        some = random.choice(len(pairs), min(training.batch, len(pairs)), replace=False)
        # A panorama may begin anywhere: rolling it gives another one of the same place.
        rolls = random.integers(0, panoramas.shape[3], len(some))
        rolled = [np.roll(panoramas[n], roll, 2) for n, roll in zip(some, rolls, strict=True)]
        yield torch.from_numpy(np.stack(rolled)), torch.from_numpy(aerials[some])
