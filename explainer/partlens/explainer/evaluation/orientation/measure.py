"""Measures the error of orientations estimated from maps (Fig. 6 and 7 of the paper)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.decompositions import Decompositions
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.orientation.reading import METHODS, Method, error, headings
from partlens.explainer.evaluation.orientation.scenes import Pair
from partlens.explainer.model import MetricModel

NEAR = 3.5
"""Error in degrees up to which the paper counts an orientation as correct."""
BIN = 10
"""Width of the histogram's bins, in degrees."""
_BATCH = 16


@dataclass(frozen=True, eq=False)
class Orientation:
    """Errors of one method.

    Attributes:
        errors: one per pair, degrees in 0..180, shape [N].
    """

    errors: NDArray[np.float64]

    def within(self, degrees: float) -> float:
        """Fraction of pairs with an error of at most this many degrees."""
        return float((self.errors <= degrees).mean())

    @property
    def histogram(self) -> NDArray[np.float64]:
        """Fraction of pairs with an error in each bin of BIN degrees, shape [180 / BIN]."""
        counts, _ = np.histogram(self.errors, np.arange(0, 181, BIN))
        return counts / len(self.errors)

    def to_json(self) -> dict[str, object]:
        """Plain values, degrees."""
        return {
            "within_3.5": self.within(NEAR),
            "within_10": self.within(10),
            "median": float(np.median(self.errors)),
            "mean": float(self.errors.mean()),
            "histogram": self.histogram.tolist(),
        }


@dataclass(frozen=True)
class Orientations:
    """Results of two streams on N pairs.

    Attributes:
        recall_at_1: fraction of panoramas that find their own aerial picture among all N.
        methods: method -> its errors.
    """

    recall_at_1: float
    methods: dict[Method, Orientation]

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        first = next(iter(self.methods.values()))
        return {
            "pairs": len(first.errors),
            "recall_at_1": self.recall_at_1,
            **{method: one.to_json() for method, one in self.methods.items()},
        }


def measure_orientation(
    panorama_model: MetricModel, aerial_model: MetricModel, pairs: Iterable[Pair]
) -> Orientations:
    """Errors of each of METHODS, and recall@1 of the pairs.

    Args:
        panorama_model, aerial_model: two streams with a shared embedding space. Neither may crop
            (resize "stretch"), or columns and bearings would be shifted.
        pairs: at least one.

    Raises:
        AnnotationError: no pair, or a model that crops pictures.
        ImageError: an array is not a picture.
        ShapeError: embeddings of different dimensions or of zero length.
    """
    for model in (panorama_model, aerial_model):
        if model.spec.preprocessing.resize != "stretch":
            raise AnnotationError(
                f"model {model.spec.name!r} crops pictures; import it with --resize stretch, so"
                " that its maps cover the whole picture"
            )
    errors: dict[Method, list[float]] = {method: [] for method in METHODS}
    embeddings: tuple[list[NDArray[np.float32]], ...] = ([], [])
    for some in _batched(pairs):
        panoramas = panorama_model.decompose([pair.panorama for pair in some])
        aerials = aerial_model.decompose([pair.aerial for pair in some])
        for number, pair in enumerate(some):
            for method, found in headings(panoramas[number], aerials[number]).items():
                errors[method].append(error(found, pair.heading))
        for side, seen in zip(embeddings, (panoramas, aerials), strict=True):
            side.append(_unit(seen))
    if not embeddings[0]:
        raise AnnotationError("there are no pairs to measure orientation on")
    street, above = (np.concatenate(side) for side in embeddings)
    right = (street @ above.T).argmax(1) == np.arange(len(street))
    return Orientations(
        float(right.mean()), {m: Orientation(np.array(found)) for m, found in errors.items()}
    )


def _unit(seen: Decompositions) -> NDArray[np.float32]:
    embedding = seen.contributions.sum(1) + seen.bias
    unit: NDArray[np.float32] = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    return unit


def _batched(pairs: Iterable[Pair]) -> Iterator[Sequence[Pair]]:
    rest = iter(pairs)
    while some := list(islice(rest, _BATCH)):
        yield some
