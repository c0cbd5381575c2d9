"""Which image shows what: labels of images, from a CSV file or from the images' paths."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.tables import read_rows
from partlens.explainer.images import image_files

FOLDER_PATTERN = r"(?P<label>.+)/"
"""Takes the folder that an image lies in for its label."""


@dataclass(frozen=True)
class LabelledImage:
    """An image and what it shows.

    Attributes:
        path: of the file.
        label: what it shows: a person, a species.
        camera: what took it; "" where that is not known.
        query: True if a test set names it as one to search with.
    """

    path: Path
    label: str
    camera: str = ""
    query: bool = False


def read_labels(
    folder: Path, table: Path | None = None, pattern: str | None = None
) -> list[LabelledImage]:
    """The images of a folder by a table, or by a pattern of their paths, or by their folders.

    Raises:
        AnnotationError: as labels_from_csv and labels_from_paths.
    """
    if table is not None:
        return labels_from_csv(table, folder)
    return labels_from_paths(folder, pattern or FOLDER_PATTERN)


def labels_from_csv(file: Path, folder: Path) -> list[LabelledImage]:
    """Images that a CSV file lists.

    Args:
        file: with the columns `image` (path below the folder) and `label`, and optionally `camera`
            and `query` (1 for an image to search with, else 0). Other columns are ignored.
        folder: of the images.

    Raises:
        AnnotationError: no such file, a column is missing, an image comes twice, or a row cannot
            be read; names the row.
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
    """Images of a folder, labelled by their paths below it.

    Args:
        pattern: a regular expression that is matched from the start of the path (with "/"). Its
            group `label` is the label, its group `camera`, if there, the camera, and an image that
            its group `query` matches is one to search with. An image that it does not match takes
            no part, as a test set's distractors may.

    Raises:
        AnnotationError: no such pattern, or no image that it matches.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise AnnotationError(f"pattern {pattern!r} is no regular expression: {error}") from error
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
