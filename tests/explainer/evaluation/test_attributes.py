"""Attributes among other people: tables are read or refused by row, and measured as by hand."""

import json
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from partlens.common.regions import Box
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.attribute_search import (
    AttributeQuery,
    choose_attribute_queries,
    evaluate_attributes,
)
from partlens.explainer.evaluation.attributes import (
    Attribute,
    for_images,
    listed_images,
    read_attributes,
)
from partlens.explainer.evaluation.commands.evaluate import evaluate
from partlens.explainer.evaluation.label_retrieval import read_upright
from partlens.explainer.evaluation.labels import LabelledImage, read_labels
from partlens.explainer.evaluation.region_search import decompose_pictures
from partlens.explainer.model import MetricModel
from partlens.explainer.regions import position_weights
from partlens.explainer.scoring import query_part, score_images
from partlens.explainer.starter import model_folder
from partlens.explainer.starter.pictures import generate

LABELS = Path(__file__).parents[3] / "docs" / "labels"
HEADER = "image,attribute,value,box_x,box_y,box_w,box_h\n"
ROWS = "0.png,glasses,yes,1,2,3,4\n1.png,glasses,no,,,,\n2.png,glasses,yes,,,,\n"
PEOPLE = [LabelledImage(Path(f"{i}.png"), "anna" if i < 2 else "ben") for i in range(4)]


def table(folder: Path, text: str) -> Path:
    (folder / "attributes.csv").write_text(text)
    return folder / "attributes.csv"


def test_rows_become_values_and_boxes(tmp_path: Path) -> None:
    found = read_attributes(table(tmp_path, HEADER + ROWS), Path(), PEOPLE)
    assert found == {"glasses": Attribute({0: "yes", 1: "no", 2: "yes"}, {0: Box(1, 2, 3, 4)})}
    assert listed_images(found) == [0, 1, 2]
    short = table(tmp_path, "image,attribute,value\n3.png,bag,red\n")
    assert read_attributes(short, Path(), PEOPLE) == {"bag": Attribute({3: "red"}, {})}


def test_some_images_keep_their_values_under_their_new_numbers(tmp_path: Path) -> None:
    found = read_attributes(table(tmp_path, HEADER + ROWS), Path(), PEOPLE)
    kept = [PEOPLE[3], PEOPLE[2], PEOPLE[0]]
    of_kept = for_images(found, PEOPLE, kept)
    assert of_kept == {"glasses": Attribute({2: "yes", 1: "yes"}, {2: Box(1, 2, 3, 4)})}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,value\n0.png,yes\n", "has no column 'attribute'"),
        (HEADER, "lists no attribute"),
        (HEADER + "9.png,glasses,yes,,,,\n", "row 2: image '9.png' is not among the 4 labelled"),
        (HEADER + "0.png,,yes,,,,\n", "row 2: attribute and value must not be empty"),
        (HEADER + "0.png,glasses,,,,,\n", "row 2: attribute and value must not be empty"),
        (HEADER + ROWS + "0.png,glasses,no,,,,\n", "row 5: image '0.png' has a value"),
        (HEADER + "0.png,glasses,yes,1,2,3,\n", "row 2: box_x, .* '1', '2', '3', ''; give four"),
        (HEADER + "0.png,glasses,yes,1,2,0,4\n", "row 2: .*the last two above 0"),
        (HEADER + "0.png,glasses,yes,1,nan,3,4\n", "row 2: .*give four numbers"),
    ],
)
def test_what_cannot_be_used_is_refused_by_row(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=message):
        read_attributes(table(tmp_path, text), Path(), PEOPLE)


def test_queries_have_a_box_and_never_the_value_no() -> None:
    glasses = Attribute({0: "yes", 1: "no", 2: "yes", 3: "sun"}, {0: Box(1, 2, 3, 4)})
    whole = (0.0, 0.0, 1.0, 1.0)
    chosen = choose_attribute_queries({"glasses": glasses}, {"glasses": whole}, 5, seed=0)
    assert sorted(chosen, key=lambda query: query.image) == [
        AttributeQuery(0, "glasses", "yes", Box(1, 2, 3, 4)),
        AttributeQuery(2, "glasses", "yes", whole),
        AttributeQuery(3, "glasses", "sun", whole),
    ]
    with pytest.raises(AnnotationError, match=r"glasses=sun has a box; add .*--box glasses="):
        choose_attribute_queries({"glasses": glasses}, {}, 5, seed=0)
    with pytest.raises(AnnotationError, match="no attribute 'hat'; there are glasses"):
        choose_attribute_queries({"glasses": glasses}, {"hat": whole}, 5, seed=0)
    with pytest.raises(AnnotationError, match="every value is 'no'"):
        choose_attribute_queries({"glasses": Attribute({0: "no", 1: "no"}, {})}, {}, 5, seed=0)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated people; "hat" has boxes, "side" has none and means nothing."""
    folder = tmp_path_factory.mktemp("people")
    rows = ["image,attribute,value,box_x,box_y,box_w,box_h"]
    labels = ["image,label"]
    for number, picture in enumerate(generate(64, 5, 4)):
        Image.fromarray(picture.image).save(folder / f"{picture.id}.png")
        labels.append(f"{picture.id}.png,{picture.person}")
        hat = picture.parts.get("hat")
        box = f"{hat.x},{hat.y},{hat.width},{hat.height}" if hat else ",,,"
        rows.append(f"{picture.id}.png,hat,{'yes' if hat else 'no'},{box}")
        if number % 2:
            rows.append(f"{picture.id}.png,side,{'odd' if number % 4 == 1 else 'even'},,,,")
    (folder / "attributes.csv").write_text("\n".join(rows) + "\n")
    (folder / "labels.csv").write_text("\n".join(labels) + "\n")
    return folder


def arguments(folder: Path, *more: str) -> Sequence[str]:
    given = {"--model": model_folder(), "--images": folder}
    given |= {"--attributes": folder / "attributes.csv", "--labels": folder / "labels.csv"}
    return ["attributes", *(str(x) for pair in given.items() for x in pair), *more]


def test_the_command_finds_hats_on_other_people(people: Path) -> None:
    more = ("--queries", "20", "--box", "side=0.2,0.1,0.5,0.5", "--json")
    run = CliRunner().invoke(evaluate, arguments(people, *more), catch_exceptions=False)
    found = json.loads(run.output)
    assert set(found) == {"random", "image", "whole", "part", "context"}
    by_value = {ranking: one["by_value"] for ranking, one in found.items()}
    assert set(by_value["part"]) == {"hat=yes", "side=odd", "side=even"}
    chance, part = by_value["random"]["hat=yes"], by_value["part"]["hat=yes"]
    assert part["part_hit"] > 5 * chance["part_hit"]
    assert by_value["image"]["hat=yes"]["part_hit"] is None
    assert by_value["part"]["side=odd"]["part_hit"] is None
    table = CliRunner().invoke(evaluate, arguments(people, *more[:-1])).output
    assert "hat=yes" in table and "95 % from" in table


def naive(
    folder: Path, people: Sequence[LabelledImage], hats: Attribute, queries: Iterable[int]
) -> tuple[float, float]:
    """Precision and hits of PART, one query and image at a time."""
    model = MetricModel.load(model_folder())
    spec = model.spec
    right, near = list[bool](), list[bool]()
    seen = decompose_pictures(model, [partial(read_upright, person.path) for person in people])
    for q in queries:
        size = seen.sizes[q]
        weights = position_weights(hats.boxes[q], size, spec.preprocessing, spec.registration)
        part = query_part(seen.contributions[q], seen.bias[q], weights, spec.grid)
        ranked = list[tuple[float, int, float, float]]()
        for i, person in enumerate(people):
            if person.label == people[q].label:
                continue
            one = seen.contributions[i][None], seen.bias[i][None]
            scored = score_images("part", [part], *one, spec.grid)
            row0, col0, row1, col1 = scored.windows[0]
            looks = spec.registration
            x = looks.cols.to_places(np.array([col0, col1])).mean() * seen.sizes[i][0]
            y = looks.rows.to_places(np.array([row0, row1])).mean() * seen.sizes[i][1]
            ranked.append((-scored.scores[0], i, x, y))
        for _, i, x, y in sorted(ranked)[:10]:
            right.append(hats.values[i] == "yes")
            if box := hats.boxes.get(i):
                near.append(0 <= x - box.x <= box.width and 0 <= y - box.y <= box.height)
    return float(np.mean(right)), float(np.mean(near))


def test_the_measure_is_that_of_a_loop_over_other_people(people: Path) -> None:
    """Numbers of hits may differ by one where two scores are equal but for rounding."""
    with (people / "labels.csv").open() as file:
        rows = [line.strip().split(",") for line in file][1:]
    listed = [LabelledImage(people / name, label) for name, label in rows]
    hats = read_attributes(people / "attributes.csv", people, listed)["hat"]
    chosen = choose_attribute_queries({"hat": hats}, {}, 6, seed=2)
    model = MetricModel.load(model_folder())
    seen = decompose_pictures(model, [partial(read_upright, one.path) for one in listed])
    found = evaluate_attributes(model, listed, seen, {"hat": hats}, chosen)["part"].mean
    expected = naive(people, listed, hats, [query.image for query in chosen])
    assert (found.precision_at_10, found.part_hit) == pytest.approx(expected, abs=0.02)


def test_a_value_that_one_person_has_cannot_be_searched_for(people: Path, tmp_path: Path) -> None:
    names = [line.split(",") for line in (people / "labels.csv").read_text().split()[1:]]
    person = names[0][1]
    rows = [f"{name},hat,{'yes' if one == person else 'no'},1,1,9,9" for name, one in names]
    own = table(tmp_path, "\n".join([HEADER.strip(), *rows]) + "\n")
    run = CliRunner().invoke(evaluate, arguments(people, "--attributes", str(own)))
    assert run.exit_code == 1 and f"hat=yes is only in images of '{person}'" in run.output


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ("hat", "'hat' is not a name and a box"),
        ("hat=0.5,0.5,0.6,0.2", "within 0..1"),
        ("hat=0,0,0,1", "is not a name and a box"),
        ("hat=0,0,nan,1", "is not a name and a box"),
    ],
)
def test_a_default_box_is_checked(people: Path, box: str, message: str) -> None:
    run = CliRunner().invoke(evaluate, arguments(people, "--box", box))
    assert run.exit_code == 2 and message in run.output


def test_a_box_outside_its_image_names_the_image(people: Path, tmp_path: Path) -> None:
    text = (people / "attributes.csv").read_text().splitlines()
    first = next(i for i, row in enumerate(text) if ",hat,yes," in row)
    name = text[first].split(",")[0]
    text[first] = f"{name},hat,yes,5000,5000,10,10"
    own = table(tmp_path, "\n".join(text) + "\n")
    box = ("--box", "side=0,0,1,1")
    run = CliRunner().invoke(evaluate, arguments(people, "--attributes", str(own), *box))
    assert run.exit_code == 1 and name in run.output and "outside" in run.output


@pytest.mark.parametrize(
    ("table", "images", "pattern"),
    [
        ("faces-orl.csv", "faces-orl", None),
        ("reid-cuhk03.csv", "reid-cuhk03/images", r"(?P<label>\d+)_"),
    ],
)
def test_our_labels_fit_their_pictures(
    table: str, images: str, pattern: str | None, real_data: Path
) -> None:
    folder = real_data / images
    listed = read_labels(folder, None, pattern)
    found = read_attributes(LABELS / table, folder, listed)
    for attribute in found.values():
        values = attribute.values
        assert attribute.boxes.keys() == {n for n, value in values.items() if value != "no"}
        for number, box in attribute.boxes.items():
            width, height = read_upright(listed[number].path).size
            assert 0 <= box.x < box.x + box.width <= width
            assert 0 <= box.y < box.y + box.height <= height
