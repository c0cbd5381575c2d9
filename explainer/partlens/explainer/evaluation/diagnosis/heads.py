"""Trains heads of global max pooling and one linear layer on fixed feature maps.

The backbone is frozen, so max pooling gives the same numbers in every step: training needs one
vector per image and takes seconds.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from partlens.explainer.errors import AnnotationError
from partlens.explainer.head.operators import FEATURE, Head, Operator

Loss = Literal["multi_similarity", "triplet"]


@dataclass(frozen=True)
class HeadTraining:
    """How a head is trained.

    Attributes:
        dimensions: D of its embeddings.
        steps: number of batches.
        labels_per_batch, images_per_label: contents of a batch; fewer labels if there are fewer.
        learning_rate: Adam's learning rate.
        watch_every: number of steps between two calls of `watch`.
    """

    dimensions: int = 64
    steps: int = 600
    labels_per_batch: int = 8
    images_per_label: int = 8
    learning_rate: float = 1e-3
    watch_every: int = 50


def pool(feature: Tensor) -> Tensor:
    """Global max pooling of feature maps [N, C, rows, cols]; shape [N, C]."""
    return feature.amax((2, 3))


def pooling_head(weight: Tensor, bias: Tensor) -> Head:
    """E = weight max_p(A_p) + bias as an operator list.

    Args:
        weight: shape [D, C].
        bias: shape [D].
    """
    pooled = Operator("amax", "pooled", "pool", (FEATURE,), {"axes": (2, 3), "keepdim": False})
    linear = Operator("linear", "embedding", "fc", ("pooled", "weight", "bias"))
    return Head((pooled, linear), {"weight": weight, "bias": bias}, "embedding")


def train_head(
    pooled: Tensor,
    labels: Sequence[str],
    loss: Loss,
    seed: int,
    settings: HeadTraining = HeadTraining(),
    watch: Callable[[int, Head], None] = lambda step, head: None,
) -> Head:
    """Train a head with a loss of pytorch-metric-learning; the same seed gives the same head.

    Multi-similarity (Wang et al., 2019) uses its own miner; triplets (Schroff et al., 2015) use a
    margin of 0.2 and semi-hard mining. Both work on L2-normalised embeddings.

    Args:
        pooled: the images' pooled features, shape [N, C].
        labels: labels of the N images.
        loss: the loss to train with.
        seed: seed of the initial weights and the batches, which are the same for every loss.
        settings: how to train.
        watch: called with 0 and the untrained head, then every `watch_every` steps and at the end.

    Raises:
        AnnotationError: fewer than two labels with two images each.
    """
    batches = _batches(labels, settings, seed)
    mine = _miner_and_loss(loss)
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Linear(pooled.shape[1], settings.dimensions)
    # Drawn as nn.Linear does, but from our own generator.
    reach = pooled.shape[1] ** -0.5
    for parameter in (layer.weight, layer.bias):
        nn.init.uniform_(parameter, -reach, reach, generator)
    optimiser = torch.optim.Adam(layer.parameters(), settings.learning_rate)
    watch(0, _frozen(layer))
    for step, (rows, numbers) in enumerate(batches, start=1):
        value = mine(layer(pooled[rows]), numbers)
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % settings.watch_every == 0 or step == settings.steps:
            watch(step, _frozen(layer))
    return _frozen(layer)


def _frozen(layer: nn.Linear) -> Head:
    return pooling_head(layer.weight.detach().clone(), layer.bias.detach().clone())


def _miner_and_loss(loss: Loss) -> Callable[[Tensor, Tensor], Tensor]:
    # Imported here because only training needs them.
    from pytorch_metric_learning import losses, miners

    if loss == "multi_similarity":
        function = losses.MultiSimilarityLoss(alpha=2, beta=50, base=0.5)
        miner = miners.MultiSimilarityMiner(0.1)
    else:
        function = losses.TripletMarginLoss(margin=0.2)
        miner = miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard")

    def mined(embeddings: Tensor, numbers: Tensor) -> Tensor:
        value: Tensor = function(embeddings, numbers, miner(embeddings, numbers))
        return value

    return mined


def _batches(
    labels: Sequence[str], settings: HeadTraining, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and label numbers of each batch."""
    names, numbers = np.unique(np.asarray(labels), return_inverse=True)
    members = [np.flatnonzero(numbers == number) for number in range(len(names))]
    if len(names) < 2 or min(map(len, members)) < 2:
        raise AnnotationError(
            f"{len(names)} labels with {min(map(len, members), default=0)} images or more are too"
            " few to train on; at least two labels with two images each are needed"
        )
    return _drawn(members, settings, np.random.default_rng(seed))


def _drawn(
    members: Sequence[NDArray[np.int64]],
    settings: HeadTraining,
    random: np.random.Generator,
) -> Iterator[tuple[Tensor, Tensor]]:
    count = min(settings.labels_per_batch, len(members))
    for _ in range(settings.steps):
        chosen = random.choice(len(members), count, replace=False)
        some = [
            random.choice(members[n], min(settings.images_per_label, len(members[n])), False)
            for n in chosen
        ]
        sizes = [len(rows) for rows in some]
        yield torch.from_numpy(np.concatenate(some)), torch.from_numpy(np.repeat(chosen, sizes))
