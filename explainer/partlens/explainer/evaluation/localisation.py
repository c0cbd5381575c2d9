"""Measures whether a map finds the object: weakly supervised localisation (paper, Tables 1 and 4).

Neither training nor the maps use any box. Each image is explained against the image that a search
would return first: its nearest other image by cosine similarity, whatever that shows. (Explained
against itself, an image's Grad-CAM would add up to 0 on a linear head, and the other maps would
only show how strong each position is.) CAM is a classifier's map, so its target is the image's own
class: the mean of the class's normalised embeddings, as in a nearest-class-mean classifier. Only
CAM uses labels.

The box is that of the largest connected component of values above a fraction of the map's maximum,
at the size of the image (Zhou et al., 2016). It is correct if its intersection over union with the
annotated box is at least 0.5. A map without a positive value gives no box, which counts as a miss.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from partlens.common.regions import Box
from partlens.explainer.comparators import COMPARATORS, Target
from partlens.explainer.evaluation.annotations import AnnotatedImage
from partlens.explainer.evaluation.batches import Passes, embedded, nearest
from partlens.explainer.model import MetricModel
from partlens.explainer.spec import ModelSpec
from partlens.explainer.view import View

METHODS = ("cam", "grad_cam", "grad_cam_no_norm", "decomposition_bias", "decomposition")
# Maps concentrated on few cells, such as max pooling's, do best at low thresholds.
THRESHOLDS = (0.01, 0.02, 0.03, *(round(0.05 * step, 2) for step in range(1, 20)))
RIGHT = 0.5
_TOUCHING = np.ones((3, 3), bool)  # diagonal neighbours are connected


@dataclass(frozen=True)
class Localisation:
    """How often one method's boxes are correct.

    Attributes:
        by_threshold: fraction of the map's maximum -> fraction of images with a correct box.
    """

    by_threshold: dict[float, float]

    @property
    def threshold(self) -> float:
        """The best threshold; the lowest of equals."""
        return max(self.by_threshold, key=lambda t: (self.by_threshold[t], -t))

    @property
    def best(self) -> float:
        """The fraction of correct boxes at the best threshold."""
        return self.by_threshold[self.threshold]

    def to_json(self) -> dict[str, object]:
        """Plain values; thresholds are texts with two decimals."""
        table = {f"{threshold:.2f}": share for threshold, share in self.by_threshold.items()}
        return {"best": self.best, "threshold": self.threshold, "by_threshold": table}


def measure_localisation(
    model: MetricModel, images: Sequence[AnnotatedImage], source: Passes
) -> dict[str, Localisation]:
    """Localisation accuracy of each of METHODS over THRESHOLDS.

    Args:
        model: its head and preprocessing explain the feature maps; its backbone does not run.
        images: N annotated images.
        source: their feature maps, read twice.

    Raises:
        AnnotationError: fewer than two images, or an unusable one.
        ShapeError: an embedding of zero length.
    """
    embeddings, biases = embedded(model, source)
    others = nearest(embeddings)
    neighbours = Target(embeddings[others], biases[others], embeddings[others].norm(dim=1))
    classes = Target.classes(_class_means(embeddings, [image.label for image in images]))
    right = {method: np.zeros(len(THRESHOLDS)) for method in METHODS}
    for numbers, feature in source():
        for method in METHODS:
            target = (classes if method == "cam" else neighbours)[numbers]
            maps = model.on_grid(COMPARATORS[method](model.head, feature, target)).numpy()
            right[method] += _right_boxes(images[numbers], maps, model.spec)
    return {
        method: Localisation(dict(zip(THRESHOLDS, (count / len(images)).tolist(), strict=True)))
        for method, count in right.items()
    }


def intersection_over_union(a: Box, b: Box) -> float:
    """Area of the intersection of two boxes over that of their union, 0..1."""
    width = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    height = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    both = max(width, 0.0) * max(height, 0.0)
    return both / (a.width * a.height + b.width * b.height - both)


def box_of_map(values: NDArray[np.floating], threshold: float) -> Box | None:
    """The box of the largest connected component of values >= threshold * maximum.

    Args:
        values: a map at the size of the image, [height, width].
        threshold: fraction of the maximum, above 0.

    Returns:
        In pixels of the image; None if no value is positive. Of equal components, the upper left.
    """
    maximum = values.max()
    if not maximum > 0:
        return None
    labels = np.empty(values.shape, np.int32)
    ndimage.label(values >= threshold * maximum, _TOUCHING, labels)
    largest = int(np.bincount(labels.ravel())[1:].argmax()) + 1
    rows, columns = ndimage.find_objects(labels)[largest - 1]
    left, top = columns.start, rows.start
    return Box(float(left), float(top), float(columns.stop - left), float(rows.stop - top))


def _class_means(embeddings: Tensor, labels: Sequence[str]) -> Tensor:
    """The mean normalised embedding of each image's class, [N, D]."""
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    names, numbers = np.unique(np.asarray(labels), return_inverse=True)
    members = torch.nn.functional.one_hot(torch.from_numpy(numbers), len(names)).to(unit)
    means: Tensor = (members.T @ unit) / members.sum(0).unsqueeze(1)
    return means[numbers]


def _right_boxes(
    images: Sequence[AnnotatedImage], maps: NDArray[np.float32], spec: ModelSpec
) -> NDArray[np.float64]:
    """Number of images with a correct box, for each threshold."""
    right = np.zeros(len(THRESHOLDS))
    for values, image in zip(maps, images, strict=True):
        size = image.width, image.height
        full = View(size, spec.preprocessing, spec.registration).placed(values).upsampled(*size)
        boxes = [box_of_map(full, threshold) for threshold in THRESHOLDS]
        right += [box is not None and _is_right(box, image.box) for box in boxes]
    return right


def _is_right(box: Box, annotated: Box) -> bool:
    return intersection_over_union(box, annotated) >= RIGHT
