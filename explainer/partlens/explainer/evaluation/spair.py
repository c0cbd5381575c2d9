"""Reads SPair-71k (Min et al., 2019): pairs of images of a category, with keypoints.

Its folder has `PairAnnotation/SPLIT/*.json` (the pairs), `ImageAnnotation/CATEGORY/*.json` (the
keypoints of an image, null where invisible) and `JPEGImages/CATEGORY/*.jpg`.
"""

import json
from pathlib import Path
from typing import Any

from partlens.common.files import read_file
from partlens.common.regions import Box
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.annotations import AnnotatedImage
from partlens.explainer.evaluation.keypoint_pairs import KeypointPairs

PICTURES = "JPEGImages"
_LARGEST = 1e6
_SIDES = (("src_imname", "src_imsize", "src_bndbox"), ("trg_imname", "trg_imsize", "trg_bndbox"))


def read_spair(folder: Path, split: str = "test", category: str | None = None) -> KeypointPairs:
    """The pairs of a split; paths of images are relative to PICTURES, labels are categories.

    Args:
        folder: the folder SPair-71k.
        split: trn, val or test.
        category: only this category; all by default.

    Raises:
        AnnotationError: the folder has no such pairs, or a file is missing, damaged or contradicts
            another; names the file.
    """
    files = sorted((folder / "PairAnnotation" / split).glob("*.json"))
    if not files:
        raise AnnotationError(
            f"{folder} has no PairAnnotation/{split}/*.json; give the folder SPair-71k, and one of"
            " its splits: trn, val or test"
        )
    reader, pairs, categories = _Reader(folder), list[tuple[int, int]](), set[str]()
    for file in files:
        pair = _object(file)
        of_pair = _name(pair, "category", file)
        categories.add(of_pair)
        if category in (None, of_pair):
            source, target = (reader.image(pair, of_pair, side, file) for side in _SIDES)
            pairs.append((source, target))
    if not pairs:
        raise AnnotationError(
            f"{folder} has no pair of category {category!r} in {split}; there are"
            f" {', '.join(sorted(categories))}"
        )
    images = tuple(reader.images)
    shared = [(a, b) for a, b in pairs if images[a].parts.keys() & images[b].parts.keys()]
    if not shared:
        raise AnnotationError(f"no pair of {split} in {folder} has a common visible keypoint")
    return KeypointPairs(images, shared)


class _Reader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers: dict[tuple[str, float, float, Box], int] = {}
        self.images: list[AnnotatedImage] = []

    def image(
        self, pair: dict[str, Any], category: str, keys: tuple[str, str, str], file: Path
    ) -> int:
        """Number of one of a pair's images."""
        name, size, box = keys
        path = f"{category}/{_name(pair, name, file)}"
        width, height, *_ = _numbers(pair, size, (2, 3), file)
        left, top, right, bottom = _numbers(pair, box, (4,), file)
        if not (left < right and top < bottom and min(width, height) >= 1):
            raise AnnotationError(f"{file}: {size} and {box} must have an area above 0")
        bounds = Box(left, top, right - left, bottom - top)
        key = path, width, height, bounds
        if key not in self._numbers:
            self._numbers[key] = len(self.images)
            parts = self._keypoints(path)
            image = AnnotatedImage(path, category, int(width), int(height), bounds, parts)
            self.images.append(image)
        return self._numbers[key]

    def _keypoints(self, path: str) -> dict[str, tuple[float, float]]:
        file = self._folder / "ImageAnnotation" / Path(path).with_suffix(".json")
        points = _object(file).get("kps")
        if not isinstance(points, dict):
            raise AnnotationError(f"{file}: kps must be an object of points by their numbers")
        found = dict[str, tuple[float, float]]()
        for name, point in points.items():
            if point is not None:
                x, y = _numbers(points, name, (2,), file)
                found[name] = (x, y)
        return found


def _object(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_file(file))
    except (OSError, ValueError, RecursionError) as error:
        raise AnnotationError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise AnnotationError(f"{file} must hold a JSON object, but holds {type(found).__name__}")
    return found


def _name(values: dict[str, Any], key: str, file: Path) -> str:
    found = values.get(key)
    if isinstance(found, str) and found not in ("", "..") and found == Path(found).name:
        return found
    raise AnnotationError(f"{file}: {key} is {str(found)[:80]!r}; a name without folder is needed")


def _numbers(values: dict[str, Any], key: str, counts: tuple[int, ...], file: Path) -> list[float]:
    found = values.get(key)
    usable = isinstance(found, list) and len(found) in counts
    # JSON may hold NaN, infinity and whole numbers of any length.
    if usable and all(type(one) in (int, float) and abs(one) < _LARGEST for one in found or ()):
        return [float(one) for one in found or ()]
    raise AnnotationError(
        f"{file}: {key} is {str(found)[:80]}; {counts[0]} numbers in pixels are needed"
    )
