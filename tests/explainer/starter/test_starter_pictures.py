"""Generated pictures: the same for a seed, and truthful about what is on them."""

import csv
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from partlens.common.regions import Box
from partlens.explainer.starter.pictures import PARTS, Picture, generate
from partlens.explainer.starter.pictures.canvas import LABELS, Canvas
from partlens.explainer.starter.pictures.figure import draw_person
from partlens.explainer.starter.pictures.manifest import write_pictures
from partlens.explainer.starter.pictures.person import CHOICES, CLOTH, GROUPS, look_alike, sample
from partlens.explainer.starter.pictures.pose import sample_pose

SCENE = ("view", "background", "light", "occlusion")


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return list(generate(200, seed=5))


def test_the_same_seed_gives_the_same_pictures_and_another_seed_others() -> None:
    first, again, other = (list(generate(6, seed)) for seed in (3, 3, 4))
    for a, b in zip(first, again, strict=True):
        assert (a.id, a.person, a.camera, a.attributes, a.parts, a.box) == (
            b.id,
            b.person,
            b.camera,
            b.attributes,
            b.parts,
            b.box,
        )
        assert np.array_equal(a.image, b.image)
    assert not any(np.array_equal(a.image, b.image) for a, b in zip(first, other, strict=True))


@given(few=st.integers(0, 9), more=st.integers(0, 5))
@settings(max_examples=10)
def test_a_larger_count_begins_with_the_pictures_of_a_smaller_one(few: int, more: int) -> None:
    short, long = list(generate(few, 1)), list(islice(generate(few + more, 1), few))
    assert [p.id for p in short] == [p.id for p in long]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(short, long, strict=True))


def test_a_person_keeps_its_attributes_while_the_scene_changes(pictures: list[Picture]) -> None:
    looks: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for picture in pictures:
        person = tuple(sorted((k, v) for k, v in picture.attributes.items() if k not in SCENE))
        looks.setdefault(picture.person, set()).add(person)
    assert len(looks) == 50
    assert all(len(found) == 1 for found in looks.values())
    assert len({picture.id for picture in pictures}) == len(pictures)
    assert {picture.camera for picture in pictures} == {"a", "b"}
    for name in SCENE:
        assert len({picture.attributes[name] for picture in pictures}) > 2


def test_boxes_lie_inside_the_picture_and_inside_the_persons_box(pictures: list[Picture]) -> None:
    for picture in pictures:
        height, width = picture.image.shape[:2]
        assert picture.image.dtype == np.uint8
        assert set(picture.parts) <= set(PARTS)
        for box in (picture.box, *picture.parts.values()):
            assert box.width > 0 and box.height > 0
            assert 0 <= box.x and box.x + box.width <= width
            assert 0 <= box.y and box.y + box.height <= height
        for box in picture.parts.values():
            assert picture.box.x <= box.x and picture.box.y <= box.y
            assert box.x + box.width <= picture.box.x + picture.box.width + 1e-6
            assert box.y + box.height <= picture.box.y + picture.box.height + 1e-6


@pytest.mark.parametrize("part", ["hat", "glasses", "beard", "bag"])
def test_a_part_that_the_person_does_not_have_has_no_box(
    part: str, pictures: list[Picture]
) -> None:
    without = [p for p in pictures if p.attributes[part] == "none"]
    with_it = [p for p in pictures if p.attributes[part] != "none"]
    assert not any(part in picture.parts for picture in without)
    # Behind a post or a bush, or seen from the back, a part may be hidden.
    assert sum(part in picture.parts for picture in with_it) > 0.7 * len(with_it)


def test_a_parts_box_holds_the_parts_colour(pictures: list[Picture]) -> None:
    """Hue is what light and camera change least: compare with the colour that was painted."""
    tried = hits = 0
    for picture in pictures:
        for part in ("hat", "bag", "legwear", "shoes"):
            name = picture.attributes[f"{part}_colour"]
            if part in picture.parts and name not in ("none", "black", "white", "grey"):
                tried += 1
                hits += _share_of_hue(picture.image, picture.parts[part], name) > 0.25
    assert tried > 100
    assert hits / tried > 0.9


def test_the_label_map_is_what_was_painted() -> None:
    """Drawn without light or camera, the hat's pixels have the hat's colour and no others do."""
    rng = np.random.default_rng(2)
    person = sample(rng)
    while person.hat != "beanie":
        person = sample(rng)
    canvas = Canvas(96, 192)
    draw_person(canvas, person, sample_pose(rng, 96, 192, tilt=0.0))
    painted = (canvas.pixels() == np.array(CLOTH[person.hat_colour])).all(2)
    hat = canvas.label_map() == LABELS["hat"]
    assert painted[hat].mean() > 0.5
    assert (~canvas.label_map().astype(bool) & painted).sum() == 0


@pytest.mark.parametrize("name", sorted(CHOICES))
def test_attributes_come_as_often_as_the_table_says(name: str) -> None:
    rng = np.random.default_rng(0)
    count = 2000
    seen = Counter(sample(rng).attributes()[name] for _ in range(count))
    assert set(seen) == set(CHOICES[name])
    for value, share in CHOICES[name].items():
        assert abs(seen[value] / count - share) < 0.05


def test_a_look_alike_differs_in_one_part_only() -> None:
    rng = np.random.default_rng(1)
    for _ in range(100):
        person = sample(rng)
        mine, theirs = person.attributes(), look_alike(person, rng).attributes()
        changed = {name for name in mine if mine[name] != theirs[name]}
        assert changed
        assert any(changed <= set(group) for group in GROUPS)


@pytest.mark.parametrize(("count", "seed", "each"), [(-1, 0, 4), (1, -1, 4), (1, 0, 0)])
def test_impossible_numbers_are_refused(count: int, seed: int, each: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        next(generate(count, seed, each))


def test_what_is_written_is_what_was_generated(tmp_path: Path) -> None:
    made = list(generate(8, seed=6))
    assert write_pictures(made, tmp_path) == 8
    manifest = _read(tmp_path / "manifest.csv")
    images, parts = _read(tmp_path / "images.csv"), _read(tmp_path / "parts.csv")
    for row, image, picture in zip(manifest, images, made, strict=True):
        assert (row["id"], row["camera"], row["track"]) == (
            picture.id,
            picture.camera,
            picture.person,
        )
        assert {name: row[name] for name in picture.attributes} == picture.attributes
        pixels = np.asarray(Image.open(tmp_path / row["path"]), np.float32)
        assert np.abs(pixels - picture.image).mean() < 8
        assert (image["image"], image["species"]) == (row["path"], picture.person)
        assert (int(image["width"]), int(image["height"])) == (96, 192)
        for part, box in picture.parts.items():
            (found,) = [p for p in parts if (p["image"], p["part"]) == (row["path"], part)]
            assert abs(float(found["x"]) - box.x - box.width / 2) < 0.06
            assert abs(float(found["y"]) - box.y - box.height / 2) < 0.06


def _share_of_hue(image: np.ndarray, box: Box, name: str) -> float:
    """The share of a box's pixels whose direction in RGB, less grey, is near a colour's."""
    x, y = int(box.x), int(box.y)
    crop = image[y : y + int(box.height) + 1, x : x + int(box.width) + 1].reshape(-1, 3)
    chroma = crop - crop.mean(1, dtype=np.float64, keepdims=True)
    wanted = np.array(CLOTH[name]) - np.mean(CLOTH[name])
    lengths = np.linalg.norm(chroma, axis=1) * np.linalg.norm(wanted)
    return float((chroma @ wanted > 0.8 * np.maximum(lengths, 1e-9)).mean())


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
