"""Trains the starter network on generated people, and measures it on unseen people."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from partlens.explainer.starter.network import PREPROCESSING, StarterNetwork
from partlens.explainer.starter.pictures.person import look_alike, sample
from partlens.explainer.starter.pictures.picture import Picture, draw, generate
from partlens.explainer.starter.pictures.scene import CAMERAS

# Seeds of the pictures: training never uses the pictures of the measurement.
_TRAINING_SEED, HELD_OUT_SEED = 1_000_000, 2_000_000


@dataclass(frozen=True)
class TrainingSettings:
    """How the network is trained.

    Attributes:
        seed: seed of pictures, weights and batches.
        families: number of random people; each has look-alikes that differ in one part.
        members: people in a family, including the first.
        shots: pictures of each person, with alternating cameras.
        steps: number of batches.
        families_per_batch, shots_per_batch: families in a batch, and pictures of each person.
        learning_rate: peak learning rate.
    """

    seed: int = 0
    families: int = 300
    members: int = 2
    shots: int = 6
    steps: int = 500
    families_per_batch: int = 12
    shots_per_batch: int = 4
    learning_rate: float = 3e-3


@dataclass(frozen=True)
class Report:
    """Result of training: the loss of every step, and recall@1 across cameras for new people."""

    settings: TrainingSettings
    losses: tuple[float, ...]
    recall_at_1: float
    people: int

    def to_json(self) -> dict[str, object]:
        """Plain values; losses are summarised as means of the first and last ten."""
        return {
            "settings": asdict(self.settings),
            "loss_first": float(np.mean(self.losses[:10])),
            "loss_last": float(np.mean(self.losses[-10:])),
            "recall_at_1_across_cameras": self.recall_at_1,
            "held_out_people": self.people,
            "random_recall_at_1": 1 / self.people,
        }


def train(
    settings: TrainingSettings, progress: Callable[[int, float], None] = lambda step, loss: None
) -> tuple[StarterNetwork, Report]:
    """Train a network; it is returned in eval mode.

    The same settings give the same network on the same kind of machine with the same number of
    threads.

    Args:
        progress: called after each step with its number and loss.
    """
    # Imported here because only training needs it.
    from pytorch_metric_learning.losses import MultiSimilarityLoss
    from pytorch_metric_learning.miners import MultiSimilarityMiner

    torch.manual_seed(settings.seed)
    pixels = _training_pixels(settings)
    network = StarterNetwork().train()
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=max(settings.steps, 2), pct_start=0.15
    )
    loss_of, miner = MultiSimilarityLoss(alpha=2, beta=40, base=0.5), MultiSimilarityMiner(0.1)
    losses: list[float] = []
    for step, (rows, labels) in enumerate(_batches(settings)):
        batch = pixels[rows].float().contiguous(memory_format=torch.channels_last)
        # Three times as fast if the processor has bfloat16 matrix instructions.
        with torch.autocast("cpu", torch.bfloat16):
            embeddings = network(batch)
        embeddings = embeddings.float()
        loss = loss_of(embeddings, labels, miner(embeddings, labels))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        progress(step, losses[-1])
    recall, people = held_out_recall(embedder(network.eval()), people=200, seed=settings.seed)
    return network, Report(settings, tuple(losses), recall, people)


Embedder = Callable[[list[NDArray[np.uint8]]], NDArray[np.float32]]


def embedder(network: StarterNetwork) -> Embedder:
    """A function from images to embeddings [N, D], by a network in eval mode."""

    @torch.no_grad()
    def embed(images: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        embeddings: NDArray[np.float32] = network(_pixels(images).float()).numpy()
        return embeddings

    return embed


def held_out_recall(embed: Embedder, people: int, seed: int = 0) -> tuple[float, int]:
    """How often the nearest picture of the other camera shows the same, unseen person.

    Args:
        embed: images to embeddings [N, D].
        people: number of people, with two pictures from each camera.
        seed: seed of the people, in addition to HELD_OUT_SEED.

    Returns:
        Recall@1 in 0..1, and the number of people.
    """
    pictures = list(generate(4 * people, HELD_OUT_SEED + seed, 4))
    vectors = np.concatenate([embed([p.image for p in part]) for part in _chunks(pictures, 64)])
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    names = np.array([picture.person for picture in pictures])
    first = np.array([picture.camera == CAMERAS[0] for picture in pictures])
    nearest = (vectors[first] @ vectors[~first].T).argmax(1)
    return float((names[~first][nearest] == names[first]).mean()), people


def _training_pixels(settings: TrainingSettings) -> Tensor:
    """Preprocessed pixels, bfloat16, shape [people * shots, 3, height, width]."""
    pixels: list[Tensor] = []
    for family in range(settings.families):
        rng = np.random.default_rng([_TRAINING_SEED + settings.seed, family])
        first = sample(rng)
        people = [first, *(look_alike(first, rng) for _ in range(settings.members - 1))]
        images = [
            draw(person, CAMERAS[shot % len(CAMERAS)], rng, name="", id="").image
            for person in people
            for shot in range(settings.shots)
        ]
        pixels.append(_pixels(images))
    return torch.cat(pixels)


def _batches(settings: TrainingSettings) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of the pixels and the person of each; whole families with random shots."""
    rng = np.random.default_rng(settings.seed)
    count = min(settings.families_per_batch, settings.families)
    for _ in range(settings.steps):
        families = rng.choice(settings.families, count, replace=False)
        people = (families[:, None] * settings.members + np.arange(settings.members)).ravel()
        shots = np.stack([_shots(settings, rng) for _ in people])
        rows = people[:, None] * settings.shots + shots
        labels = np.repeat(people, shots.shape[1])
        yield torch.from_numpy(rows.ravel()), torch.from_numpy(labels)


def _shots(settings: TrainingSettings, rng: Generator) -> NDArray[np.int64]:
    return rng.choice(settings.shots, min(settings.shots_per_batch, settings.shots), replace=False)


def _pixels(images: list[NDArray[np.uint8]]) -> Tensor:
    stacked = np.stack([PREPROCESSING.pixels(image) for image in images])
    return torch.from_numpy(stacked).to(torch.bfloat16)


def _chunks(pictures: list[Picture], size: int) -> Iterator[list[Picture]]:
    for start in range(0, len(pictures), size):
        yield pictures[start : start + size]
