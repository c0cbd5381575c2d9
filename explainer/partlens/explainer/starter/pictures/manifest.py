"""Writes generated pictures to a folder, with the tables for indexing and evaluation."""

import csv
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from partlens.explainer.starter.pictures.picture import Picture

MANIFEST, IMAGES, PARTS = "manifest.csv", "images.csv", "parts.csv"
_IMAGE_COLUMNS = ("image", "species", "width", "height", "box_x", "box_y", "box_w", "box_h")


def write_pictures(pictures: Iterable[Picture], folder: Path) -> int:
    """Write each picture as a JPEG file, and three tables to the same folder.

    `partlens index add` reads manifest.csv (path, id, camera, track, attributes). `partlens
    evaluate parts` reads images.csv and parts.csv: the box of the person, and the middle of each
    visible part; the species is the person.

    Args:
        folder: created if missing; files of the same names are replaced.

    Returns:
        The number of pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest: list[dict[str, str]] = []
    images: list[tuple[object, ...]] = []
    parts: list[tuple[object, ...]] = []
    for picture in pictures:
        file = f"{picture.id}.jpg"
        Image.fromarray(picture.image).save(folder / file, quality=92)
        height, width = picture.image.shape[:2]
        row = {"path": file, "id": picture.id, "camera": picture.camera, "track": picture.person}
        manifest.append(row | picture.attributes)
        box = picture.box
        images.append((file, picture.person, width, height, box.x, box.y, box.width, box.height))
        for part, place in picture.parts.items():
            parts.append((file, part, place.x + place.width / 2, place.y + place.height / 2))
    columns = list(manifest[0]) if manifest else ["path", "id", "camera", "track"]
    _write(folder / MANIFEST, columns, [list(row.values()) for row in manifest])
    _write(folder / IMAGES, _IMAGE_COLUMNS, images)
    _write(folder / PARTS, ("image", "part", "x", "y"), parts)
    return len(manifest)


def _write(path: Path, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(
            [round(value, 1) if isinstance(value, float) else value for value in row]
            for row in rows
        )
