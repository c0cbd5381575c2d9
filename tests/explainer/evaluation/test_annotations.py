"""Annotation tables are read whole or refused by the row that is wrong."""

from pathlib import Path

import pytest

from partlens.common.regions import Box
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.annotations import AnnotatedImage, read_annotations

IMAGES = "image,species,width,height,box_x,box_y,box_w,box_h\na.jpg,wren,40,30,1,2,20,10.5\n"
PARTS = "image,part,x,y\na.jpg,beak,3,4\na.jpg,tail,30.5,9\n"


def written(folder: Path, images: str, parts: str) -> tuple[Path, Path]:
    (folder / "images.csv").write_text(images)
    (folder / "parts.csv").write_text(parts)
    return folder / "images.csv", folder / "parts.csv"


def test_a_row_becomes_an_image_with_its_parts(tmp_path: Path) -> None:
    parts = {"beak": (3.0, 4.0), "tail": (30.5, 9.0)}
    image = AnnotatedImage("a.jpg", "wren", 40, 30, Box(1, 2, 20, 10.5), parts)
    assert read_annotations(*written(tmp_path, IMAGES, PARTS)) == (image,)
    (alone,) = read_annotations(tmp_path / "images.csv")
    assert alone.parts == {}


@pytest.mark.parametrize(
    ("images", "parts", "message"),
    [
        ("image,species\na.jpg,wren\n", PARTS, "has no column .*box_h"),
        (IMAGES.replace("40", "wide"), PARTS, r"images.csv, row 2: width .wide. is not a number"),
        (IMAGES.replace("40", "nan"), PARTS, "row 2: width 'nan' is not a number"),
        (IMAGES.replace("40", "0"), PARTS, "row 2: sizes"),
        (IMAGES + "a.jpg,wren,40,30,1,2,20,10\n", PARTS, "row 3: image 'a.jpg' comes twice"),
        (IMAGES + "b.jpg,wren\n", PARTS, "row 3 has 2 cells; the header has 8"),
        (IMAGES, PARTS + "a.jpg,beak,1,1\n", "row 4: part 'beak' of image 'a.jpg' comes twice"),
        (IMAGES.partition("\n")[0] + "\n", PARTS, "lists no image|is not in images.csv"),
        (IMAGES, PARTS + "b.jpg,beak,1,1\n", "'b.jpg' is not in images.csv"),
        (IMAGES, PARTS + PARTS.splitlines()[1] + "\n", "row 4: part .* comes twice"),
        (IMAGES, PARTS + "a.jpg,leg,1,\n", "parts.csv, row 4: y '' is not a number"),
    ],
)
def test_what_cannot_be_used_is_refused_by_row(
    images: str, parts: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(AnnotationError, match=message):
        read_annotations(*written(tmp_path, images, parts))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"nowhere\.csv cannot be read"):
        read_annotations(tmp_path / "nowhere.csv")
