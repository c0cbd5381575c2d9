"""Measures how well maps and features transfer keypoints between images: PCK.

A transfer is correct if it lies nearer to the target's point than a share alpha of the longer side
of the target's box (Yang and Ramanan 2013; Min et al., SPair-71k, 2019). Per point, all transfers
count alike; per image, the shares of the pairs are averaged. Birds: 10,000 random pairs, as in
Kulkarni et al., Canonical Surface Mapping, 2019, but without cropping images to the bird.
"Mirrored" are the points whose mirrored part is visible in the target too: the geometry-aware
subset of Zhang et al., Telling Left from Right, 2024.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.evaluation.annotations import AnnotatedImage
from partlens.explainer.evaluation.keypoint_features import METHODS, KeypointFeatures, Method
from partlens.explainer.evaluation.keypoint_pairs import KeypointPairs
from partlens.explainer.evaluation.progress import Report, ignore
from partlens.explainer.evaluation.region_search import middles
from partlens.explainer.evaluation.sampling import (
    Interval,
    interval,
    means_of,
    plain,
    resampled,
)
from partlens.explainer.model import MetricModel
from partlens.explainer.scoring import score_images

ALPHA = 0.1


@dataclass(frozen=True, eq=False)
class Share:
    """A share of correct transfers, by the labels of source and target.

    Attributes:
        hits, tries: shape [L, L].
    """

    hits: NDArray[np.float64]
    tries: NDArray[np.float64]

    @property
    def value(self) -> float:
        """Hits per try; NaN without tries."""
        return float(self.hits.sum() / self.tries.sum()) if self.tries.any() else np.nan

    def interval(self, seed: int = 0) -> Interval | None:
        """Bootstrap interval; labels are resampled, those of source and target alike."""
        weights = resampled(len(self.hits), seed)
        sums = [np.vecdot(weights @ counts, weights)[:, None] for counts in (self.hits, self.tries)]
        return interval(means_of(*sums))

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {"pck": plain(self.value), "interval": self.interval(), "tries": self.tries.sum()}


@dataclass(frozen=True, eq=False)
class Transfers:
    """How well a method transfers points.

    Attributes:
        per_image: mean over the pairs of the share of correct points.
        per_point: share of all points.
        mirrored: share of the points whose mirrored part is visible in the target too.
        by_name: share of each point, by its name.
    """

    per_image: Share
    per_point: Share
    mirrored: Share
    by_name: Mapping[str, float]

    @property
    def shares(self) -> Mapping[str, Share]:
        """The first three by their names."""
        return {
            "per_image": self.per_image,
            "per_point": self.per_point,
            "mirrored": self.mirrored,
        }

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        shares = {name: share.to_json() for name, share in self.shares.items()}
        return {**shares, "by_name": self.by_name}


def measure_keypoints(
    model: MetricModel,
    features: KeypointFeatures,
    given: KeypointPairs,
    mirrored: Mapping[str, str],
    alpha: float = ALPHA,
    report: Report = ignore,
) -> dict[Method, Transfers]:
    """PCK of each method over pairs of images.

    Args:
        model: the model that gave `features`.
        features: vectors of the images.
        given: the images and pairs.
        mirrored: name of the mirrored part of each part that has one.
        alpha: largest distance, in longer sides of the target's box.
        report: called with the number of pairs done.
    """
    targets = dict[int, list[int]]()
    for source, target in given.pairs:
        targets.setdefault(source, []).append(target)
    judges: dict[Method, _Judge] = {
        method: _Judge(given.images, mirrored, alpha) for method in METHODS
    }
    done = 0
    for source, others in targets.items():
        placed = _transfer(model, features, given.images, source, others)
        for method, places in placed.items():
            for target in others:
                judges[method].pair(source, target, places)
        done += len(others)
        report(done)
    return {method: judge.transfers() for method, judge in judges.items()}


Places = dict[tuple[str, int], NDArray[np.float64]]
"""Where a point went: (its name, number of the target) -> (x, y) in pixels."""


def _transfer(
    model: MetricModel,
    features: KeypointFeatures,
    images: Sequence[AnnotatedImage],
    source: int,
    targets: Sequence[int],
) -> dict[Method, Places]:
    """Places of a source's points in its targets, as far as the model sees the points."""
    vectors_of_source, vectors = features.of([source]), features.of(targets)
    found: dict[Method, Places] = {method: {} for method in METHODS}
    sizes = [(images[i].width, images[i].height) for i in targets]
    for method, (own,) in vectors_of_source.items():
        for name, point in images[source].parts.items():
            rows = [row for row, i in enumerate(targets) if name in images[i].parts]
            part = features.query(method, own, source, point) if rows else None
            if part is None:
                continue
            some = vectors[method][rows]
            none = np.zeros((len(some), some.shape[2]), np.float32)
            windows = score_images("part", [part], some, none, model.spec.grid).windows
            places = middles(model, windows, [sizes[row] for row in rows])
            for row, place in zip(rows, places, strict=True):
                found[method][name, targets[row]] = place
    return found


class _Judge:
    """Counts correct transfers."""

    def __init__(
        self, images: Sequence[AnnotatedImage], mirrored: Mapping[str, str], alpha: float
    ) -> None:
        self._images, self._mirrored, self._alpha = images, mirrored, alpha
        labels = sorted({image.label for image in images})
        self._numbers = {label: number for number, label in enumerate(labels)}
        # Hits and tries per image, per point and of mirrored points.
        self._counts = np.zeros((3, 2, len(labels), len(labels)))
        self._by_name: dict[str, list[bool]] = {}

    def pair(self, source: int, target: int, places: Places) -> None:
        """Count the points that both images show."""
        first, second = self._images[source], self._images[target]
        reach = self._alpha * max(second.box.width, second.box.height)
        right, mirrored = list[bool](), list[bool]()
        for name in first.parts.keys() & second.parts.keys():
            place = places.get((name, target))
            away = np.inf if place is None else np.hypot(*(place - second.parts[name]))
            right.append(bool(away < reach))
            self._by_name.setdefault(name, []).append(right[-1])
            if self._mirrored.get(name) in second.parts:
                mirrored.append(right[-1])
        at = ..., self._numbers[first.label], self._numbers[second.label]
        counts = [(np.mean(right), 1), (sum(right), len(right)), (sum(mirrored), len(mirrored))]
        self._counts[at] += np.array(counts, np.float64)

    def transfers(self) -> Transfers:
        """The shares so far."""
        per_image, per_point, mirrored = (Share(hits, tries) for hits, tries in self._counts)
        by_name = {name: float(np.mean(hits)) for name, hits in sorted(self._by_name.items())}
        return Transfers(per_image, per_point, mirrored, by_name)
