"""Compares retrieval on seen and unseen labels with localisation (Tables 2, 3, 5, 6, Fig. 5).

A model that overfits finds images of its training labels far better than others. The paper finds
the same in its maps: such a model attends to less of the object, or misses it, and so localises
worse even on its training images. This reveals overfitting without any unseen label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.annotations import AnnotatedImage
from partlens.explainer.evaluation.batches import Passes, embedded, passes
from partlens.explainer.evaluation.label_retrieval import measure_retrieval
from partlens.explainer.evaluation.localisation import METHODS, Localisation, measure_localisation
from partlens.explainer.model import MetricModel

PAPER_ORDER = ("decomposition", "grad_cam_no_norm", "decomposition_bias", "cam", "grad_cam")
"""Methods from the best localisation to the worst, as the paper found them."""


@dataclass(frozen=True)
class Watched:
    """A model at one step of its training: recall@1 on seen and on unseen labels."""

    step: int
    train: float
    validation: float


@dataclass(frozen=True)
class Diagnosis:
    """One model on one split of the labels.

    Attributes:
        train, validation: recall@1 among the images of seen and of unseen labels.
        localisation: localisation on the images of seen labels, for each of METHODS.
        curve: recall@1 during training; empty for a given model.
    """

    train: float
    validation: float
    localisation: Mapping[str, Localisation]
    curve: tuple[Watched, ...] = ()

    @property
    def gap(self) -> float:
        """How much higher recall@1 is on seen labels than on unseen ones."""
        return self.train - self.validation

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "recall_at_1": {"train": self.train, "validation": self.validation},
            "localisation": {name: one.to_json() for name, one in self.localisation.items()},
            "curve": [vars(one) for one in self.curve],
        }


@dataclass(frozen=True)
class Images:
    """Annotated images and their feature maps, which may be iterated over several times."""

    images: Sequence[AnnotatedImage]
    source: Passes


@dataclass(frozen=True)
class Comparison:
    """The paper's diagnosis applied to two models on the same data, over R runs.

    Attributes:
        overfits: the model with the larger mean gap.
        gap: its gap minus the other's, one per run.
        localisation: method -> its localisation minus the other's, one per run.
    """

    overfits: str
    gap: Sequence[float]
    localisation: Mapping[str, Sequence[float]]

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "overfits": self.overfits,
            "gap_difference": spread(self.gap),
            "localisation_difference": {m: spread(d) for m, d in self.localisation.items()},
            "runs_where_it_localises_worse": {
                m: sum(d < 0 for d in differences) for m, differences in self.localisation.items()
            },
        }


def draw_labels(images: Sequence[AnnotatedImage], seed: int) -> frozenset[str]:
    """Half of the labels to train on, drawn at random; the other half is unseen.

    Raises:
        AnnotationError: fewer than four labels.
    """
    labels = sorted({image.label for image in images})
    if len(labels) < 4:
        raise AnnotationError(f"{len(labels)} labels cannot be split; at least 4 are needed")
    drawn = np.random.default_rng(seed).permutation(len(labels))[: len(labels) // 2]
    return frozenset(labels[number] for number in drawn)


def divide(
    images: Sequence[AnnotatedImage], seen_labels: frozenset[str]
) -> tuple[list[int], list[int]]:
    """Numbers of the images with seen labels, and of those with unseen labels.

    Raises:
        AnnotationError: no image has one of the labels, or one side is empty.
    """
    known = {image.label for image in images}
    if strange := sorted(seen_labels - known):
        raise AnnotationError(f"no image has the label {strange[0]!r}; there are {sorted(known)}")
    seen = [n for n, image in enumerate(images) if image.label in seen_labels]
    unseen = [n for n, image in enumerate(images) if image.label not in seen_labels]
    if not seen or not unseen:
        raise AnnotationError("some labels must be seen in training, and others unseen")
    return seen, unseen


def diagnose_models(
    models: Mapping[str, MetricModel],
    folder: Path,
    images: Sequence[AnnotatedImage],
    seen_labels: frozenset[str],
) -> dict[str, list[Diagnosis]]:
    """Diagnose models that were trained elsewhere; one run each.

    Raises:
        AnnotationError: as in divide, or an image is unusable.
    """
    sides = [[images[n] for n in some] for some in divide(images, seen_labels)]
    found = {}
    for name, model in models.items():
        seen, unseen = (Images(side, passes(model, folder, side)) for side in sides)
        found[name] = [diagnose(model, seen, unseen)]
    return found


def recall_at_1(embeddings: NDArray[np.floating], images: Sequence[AnnotatedImage]) -> float:
    """Fraction of images whose nearest other image has the same label; embeddings [N, D].

    Raises:
        ShapeError: no label has two images.
    """
    labels = [image.label for image in images]
    return measure_retrieval(embeddings, labels, ks=(1,)).recall_at[1]


def diagnose(
    model: MetricModel, seen: Images, unseen: Images, curve: Sequence[Watched] = ()
) -> Diagnosis:
    """Recall@1 on both kinds of labels, and localisation on the seen ones.

    Args:
        model: the model to diagnose; only its head runs.
        seen, unseen: images of its training labels, and of other labels.
        curve: recall@1 during its training.

    Raises:
        AnnotationError: an image is unusable.
        ShapeError: an embedding of zero length, or no label with two images.
    """
    recalls = [
        recall_at_1(embedded(model, some.source)[0].numpy(), some.images) for some in (seen, unseen)
    ]
    found = measure_localisation(model, seen.images, seen.source)
    return Diagnosis(recalls[0], recalls[1], found, tuple(curve))


def compare(runs: Mapping[str, Sequence[Diagnosis]]) -> Comparison:
    """Compare two models over the same runs.

    Raises:
        ValueError: not two models, or different numbers of runs.
    """
    if len(runs) != 2 or len({len(some) for some in runs.values()}) != 1:
        raise ValueError(f"two models over the same runs are needed, got {list(runs)}")
    worse, better = sorted(runs, key=lambda name: -np.mean([one.gap for one in runs[name]]))
    pairs = list(zip(runs[worse], runs[better], strict=True))
    return Comparison(
        worse,
        [a.gap - b.gap for a, b in pairs],
        {
            method: [a.localisation[method].best - b.localisation[method].best for a, b in pairs]
            for method in METHODS
        },
    )


def order_kept(runs: Sequence[Diagnosis]) -> dict[str, int]:
    """Number of runs that agree with each step of PAPER_ORDER, and with all; ties disagree."""
    neighbours = list(pairwise(PAPER_ORDER))
    agree = [
        [one.localisation[a].best > one.localisation[b].best for a, b in neighbours] for one in runs
    ]
    counts = {f"{a} > {b}": sum(row[n] for row in agree) for n, (a, b) in enumerate(neighbours)}
    return counts | {"all": sum(all(row) for row in agree)}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean and sample standard deviation (0 for one value).

    >>> spread([1.0, 3.0])
    {'mean': 2.0, 'std': 1.4142135623730951}
    """
    return {
        "mean": float(np.mean(values)),
        "std": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
    }
