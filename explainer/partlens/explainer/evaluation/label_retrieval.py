"""Retrieval by label: recall@k and mean average precision under the cosine similarity."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partlens.common.files import read_file
from partlens.common.pictures import Least, UprightPicture
from partlens.explainer.errors import ImageError, ShapeError
from partlens.explainer.evaluation.labels import LabelledImage
from partlens.explainer.images import decode_at_least
from partlens.explainer.model import MetricModel

KS = (1, 5, 10)
_BATCH = 32


@dataclass(frozen=True)
class Retrieval:
    """How well embeddings find images of the same label.

    Attributes:
        queries: number of queries that count.
        without_match: number of queries without any match in the gallery, which do not count.
        recall_at: k -> fraction of the queries with an image of their label among the first k.
        mean_average_precision: mean over the queries of average_precision.
    """

    queries: int
    without_match: int
    recall_at: dict[int, float]
    mean_average_precision: float

    def to_json(self) -> dict[str, object]:
        """Plain values, fractions to four digits."""
        return {
            "queries": self.queries,
            "without_match": self.without_match,
            **{f"recall_at_{k}": round(share, 4) for k, share in self.recall_at.items()},
            "mean_average_precision": round(self.mean_average_precision, 4),
        }


def average_precision(relevant: NDArray[np.bool_]) -> float:
    """Mean, over the relevant images, of the precision at the rank of each.

    Args:
        relevant: whether each image of a ranking is relevant, best first, shape [K]; at least one.

    >>> average_precision(np.array([True, False, True]))  # (1/1 + 2/3) / 2
    0.8333333333333333
    """
    places = np.flatnonzero(relevant) + 1
    return float((np.arange(1, len(places) + 1) / places).mean())


def measure_retrieval(
    embeddings: NDArray[np.floating],
    labels: Sequence[str],
    cameras: Sequence[str] | None = None,
    queries: Sequence[bool] | None = None,
    ks: Sequence[int] = KS,
) -> Retrieval:
    """Use images as queries for others with the same label.

    Args:
        embeddings: embeddings of all images, of any length, shape [N, D].
        labels: labels of all images, N.
        cameras: cameras of all images, N; if given, images with both the query's label and its
            camera are left out of its ranking (Zheng et al., Market-1501, 2015).
        queries: whether each image is a query, N; queries are then not part of the gallery. By
            default every image is a query against all others.
        ks: values of k for recall@k.

    Raises:
        ShapeError: the arrays do not fit together, or no query has a match.

    >>> e = np.array([[1, 0], [2, 0.1], [0, 1], [0.5, 1]])
    >>> measure_retrieval(e, ["a", "a", "b", "a"]).recall_at
    {1: 0.6666666666666666, 5: 1.0, 10: 1.0}
    >>> measure_retrieval(e, ["a", "a", "b", "a"]).without_match
    1
    """
    marked = [one for one in (cameras, queries) if one is not None]
    if embeddings.ndim != 2 or {len(labels), *map(len, marked)} != {len(embeddings)}:
        raise ShapeError(
            f"embeddings {embeddings.shape}, {len(labels)} labels and {[len(m) for m in marked]}"
            " cameras and queries do not fit together; [N, D] and N of each are needed"
        )
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    label = np.asarray(labels)
    camera = None if cameras is None else np.asarray(cameras)
    gallery = np.ones(len(unit), np.bool_) if queries is None else ~np.asarray(queries, np.bool_)
    searched = np.arange(len(unit)) if queries is None else np.flatnonzero(queries)
    places: list[int] = []
    precisions: list[float] = []
    for query in searched:
        relevant = _ranking(int(query), unit, label, camera, gallery)
        if relevant.any():
            places.append(int(relevant.argmax()))
            precisions.append(average_precision(relevant))
    if not places:
        raise ShapeError(
            f"none of the {len(searched)} queries has another image of its label"
            + (" and another camera" if cameras is not None else "")
        )
    return Retrieval(
        queries=len(places),
        without_match=len(searched) - len(places),
        recall_at={k: sum(place < k for place in places) / len(places) for k in ks},
        mean_average_precision=sum(precisions) / len(precisions),
    )


def embed(model: MetricModel, images: Sequence[LabelledImage]) -> NDArray[np.float32]:
    """Embeddings of N images, shape [N, D].

    Raises:
        ImageError: a file is unusable; names it.
    """
    embeddings = np.empty((len(images), model.spec.dimensions), np.float32)
    least = model.spec.preprocessing.least
    for start in range(0, len(images), _BATCH):
        some = slice(start, start + _BATCH)
        seen = model.decompose([read_upright(image.path, least) for image in images[some]])
        embeddings[some] = seen.contributions.sum(1) + seen.bias
    return embeddings


def measure_labelled(
    embeddings: NDArray[np.floating], images: Sequence[LabelledImage]
) -> Retrieval:
    """measure_retrieval of embeddings [N, D], with the labels, cameras and queries of N images."""
    cameras = [image.camera for image in images]
    queries = [image.query for image in images]
    return measure_retrieval(
        embeddings,
        [image.label for image in images],
        cameras if any(cameras) else None,
        queries if any(queries) else None,
    )


def _ranking(
    query: int,
    unit: NDArray[np.floating],
    label: NDArray[np.str_],
    camera: NDArray[np.str_] | None,
    gallery: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Whether each image of a query's ranking has its label, best first."""
    ranked, same = gallery.copy(), label == label[query]
    ranked[query] = False
    if camera is not None:
        ranked &= ~(same & (camera == camera[query]))
    # Row by row, so that equal embeddings are equally similar and stay in the images' order.
    order = np.argsort(-np.vecdot(unit[ranked], unit[query]), kind="stable")
    relevant: NDArray[np.bool_] = same[ranked][order]
    return relevant


def read_upright(path: Path, least: Least | None = None) -> UprightPicture:
    """The picture of a file.

    Args:
        path: of the file.
        least: see images.decode_at_least.

    Raises:
        ImageError: the file is missing or not a usable image; names it.
    """
    try:
        return decode_at_least(read_file(path), least)
    except (OSError, ImageError) as error:
        raise ImageError(f"{path}: {error}") from error
