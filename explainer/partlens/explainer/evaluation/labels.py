"""Labels of images, from a CSV file or from the images' paths."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.tables import read_rows
from partlens.explainer.images import image_files

FOLDER_PATTERN = r"(?P<label>.+)/"
"""Uses an image's folder as its label."""


@dataclass(frozen=True)
class LabelledImage:
    """An image and its label.

    Attributes:
        path: path of the file.
        label: what it shows, such as a person or a species.
        camera: the camera that took it; "" if unknown.
        query: True if the test set marks it as a query.
    """

    path: Path
    label: str
    camera: str = ""
    query: bool = False


def read_labels(
    folder: Path, table: Path | None = None, pattern: str | None = None
) -> list[LabelledImage]:
    """The images of a folder, labelled by a table, a pattern of their paths, or their folders.

    Raises:
        AnnotationError: as in labels_from_csv and labels_from_paths.
    """
    if table is not None:
        return labels_from_csv(table, folder)
    return labels_from_paths(folder, pattern or FOLDER_PATTERN)


def labels_from_csv(file: Path, folder: Path) -> list[LabelledImage]:
    """Images listed in a CSV file.

    Args:
        file: CSV with the columns `image` (path relative to the folder) and `label`, and optionally
            `camera` and `query` (1 for a query image, else 0). Other columns are ignored.
        folder: folder of the images.

    Raises:
        AnnotationError: the file or a column is missing, an image occurs twice, or a row cannot be
            read; names the row.
    """
    images, places = list[LabelledImage](), dict[Path, str]()
    for place, row in read_rows(file, ("image", "label"), ("camera", "query")):
        image = _from_row(row, folder, place)
        if image.path in places:
            raise AnnotationError(
                f"{place}: image {row['image']!r} is in {places[image.path]} already; give each"
                " image one row"
            )
        places[image.path] = place
        images.append(image)
    return _require_consistent(images, str(file))


def labels_from_paths(folder: Path, pattern: str = FOLDER_PATTERN) -> list[LabelledImage]:
    """Images of a folder, labelled by their paths relative to it.

    Args:
        folder: folder of the images.
        pattern: a regular expression, matched from the start of the path (with "/"). Its group
            `label` gives the label, its optional group `camera` the camera; if its optional group
            `query` matches, the image is a query. Images that it does not match, such as a test
            set's distractors, are left out.

    Raises:
        AnnotationError: the pattern is invalid, or matches no image.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise AnnotationError(
            f"pattern {pattern!r} is not a regular expression: {error}"
        ) from error
    if "label" not in compiled.groupindex:
        raise AnnotationError(f"pattern {pattern!r} has no group (?P<label>...)")
    return _require_consistent(list(_matching(folder, compiled)), f"{folder} with {pattern!r}")


def _from_row(row: Mapping[str, str], folder: Path, place: str) -> LabelledImage:
    if not row["image"] or not row["label"]:
        raise AnnotationError(f"{place}: image and label must not be empty")
    if (query := row.get("query") or "0") not in ("0", "1"):
        raise AnnotationError(f"{place}: query is {query!r}; allowed are 0 and 1")
    return LabelledImage(folder / row["image"], row["label"], row.get("camera", ""), query == "1")


def _matching(folder: Path, pattern: re.Pattern[str]) -> Iterator[LabelledImage]:
    for path in image_files(folder):
        if found := pattern.match(path.relative_to(folder).as_posix()):
            groups = found.groupdict()
            label, camera = groups["label"] or "", groups.get("camera") or ""
            yield LabelledImage(path, label, camera, groups.get("query") is not None)


def _require_consistent(images: list[LabelledImage], source: str) -> list[LabelledImage]:
    if not images:
        raise AnnotationError(f"{source} gives no labelled image")
    if not 0 < _with_camera(images) < len(images):
        return images
    raise AnnotationError(
        f"{source} gives a camera to {_with_camera(images)} of {len(images)} images; give it to all"
        " or to none"
    )


def _with_camera(images: Sequence[LabelledImage]) -> int:
    return sum(image.camera != "" for image in images)
