"""Bearings, generated places and readings of maps agree with each other and with naive oracles."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from partlens.explainer.decomposition import Decomposition
from partlens.explainer.errors import AnnotationError, ShapeError
from partlens.explainer.evaluation.commands.evaluate import evaluate
from partlens.explainer.evaluation.orientation.cvusa import read_cvusa
from partlens.explainer.evaluation.orientation.measure import (
    Orientation,
    measure_orientation,
)
from partlens.explainer.evaluation.orientation.network import (
    AERIAL,
    PANORAMA,
    Around,
    Stream,
    StreamTraining,
    train,
)
from partlens.explainer.evaluation.orientation.reading import (
    aerial_bearing,
    error,
    headings,
    panorama_angle,
)
from partlens.explainer.evaluation.orientation.scenes import (
    AERIAL_SIDE,
    KINDS,
    PANORAMA_WIDTH,
    Landmark,
    Pair,
    draw_aerial,
    draw_panorama,
    generate,
    place,
)
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing

ANGLE = st.floats(0, 359.9)


@given(ANGLE, ANGLE)
def test_the_error_is_the_angle_between_two_directions(a: float, b: float) -> None:
    x, y = np.exp(1j * np.radians([a, b]))
    expected = np.degrees(abs(np.angle(x / y)))
    assert error(a, b) == pytest.approx(float(expected), abs=1e-6)


@given(ANGLE, st.floats(0.15, 0.45))
def test_a_spot_on_an_aerial_map_has_the_bearing_it_was_put_at(
    bearing: float, reach: float
) -> None:
    rows = np.zeros((24, 24))
    x = (0.5 + reach * np.sin(np.radians(bearing))) * 24 - 0.5
    y = (0.5 - reach * np.cos(np.radians(bearing))) * 24 - 0.5
    for row, col in np.ndindex(24, 24):  # shares of the four cells that it lies between
        rows[row, col] = max(0, 1 - abs(row - y)) * max(0, 1 - abs(col - x))
    assert error(aerial_bearing(rows), bearing) < 1e-6


@given(ANGLE)
def test_a_spot_on_a_panorama_has_the_angle_it_was_put_at_over_the_edge_too(angle: float) -> None:
    col = angle / 360 * 48 - 0.5
    values = np.zeros((3, 48))
    for step in (-48, 0, 48):
        values[1] += np.clip(1 - abs(np.arange(48) - col - step), 0, None)
    assert error(panorama_angle(values), angle) < 1e-6


def colour_bearing(
    picture: NDArray[np.uint8], empty: NDArray[np.uint8], aerial: bool, heading: float
) -> float:
    """Where a picture differs from the empty place, the mean direction of those pixels."""
    changed = np.abs(picture.astype(int) - empty.astype(int)).sum(2) > 90
    row, col = np.nonzero(changed)
    if aerial:
        vectors = (col + 0.5 - AERIAL_SIDE / 2) + 1j * (AERIAL_SIDE / 2 - row - 0.5)
        return float(np.degrees(np.pi / 2 - np.angle(vectors.mean()))) % 360
    angles = np.exp(2j * np.pi * (col + 0.5) / PANORAMA_WIDTH)
    return float(np.degrees(np.angle(angles.mean())) + heading) % 360


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bearing", [3.0, 100.0, 181.0, 285.0])
def test_a_landmark_stands_at_its_bearing_in_both_pictures(kind: str, bearing: float) -> None:
    there, heading = (Landmark(kind, bearing, 24.0, 30.0),), 77.0
    above, empty = (draw_aerial(some, np.random.default_rng(0)) for some in (there, ()))
    assert error(colour_bearing(above, empty, True, 0), bearing) < 2
    around, bare = (draw_panorama(some, heading, np.random.default_rng(0)) for some in (there, ()))
    assert error(colour_bearing(around, bare, False, heading), bearing) < 2


def test_what_is_near_hides_what_is_far_behind_it() -> None:
    both = (Landmark("red house", 90, 20.0, 0), Landmark("pond", 90, 36.0, 0))
    pictures = [
        draw_panorama(some, 0, np.random.default_rng(0)) for some in (both, both[::-1], both[:1])
    ]
    assert np.array_equal(pictures[0], pictures[1])
    assert np.array_equal(pictures[0][:, 46:51], pictures[2][:, 46:51])


def test_places_repeat_one_kind_and_are_the_same_for_the_same_seed() -> None:
    for seed in range(50):
        kinds = [landmark.kind for landmark in place(np.random.default_rng(seed))]
        assert sorted(kinds.count(kind) for kind in set(kinds))[-2:] in ([1, 2], [1, 3])
    first, again, other = list(generate(2, 5)), list(generate(2, 5)), list(generate(2, 6))
    assert all(np.array_equal(a.panorama, b.panorama) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].aerial, other[0].aerial)
    assert not np.array_equal(first[0].aerial, first[1].aerial)


def streams_of_things(
    things: Sequence[tuple[int, float, Sequence[float], float]], heading: float
) -> tuple[Decomposition, Decomposition]:
    """Maps that hold things: (kind, bearing, strength of each of its columns, and from above)."""
    panorama, aerial = torch.zeros(2, 36, 4), torch.zeros(36, 36, 4)
    for kind, bearing, columns, above in things:
        middle = int((bearing - heading) % 360 / 10)
        for step, strength in enumerate(columns):
            panorama[1, (middle + step - len(columns) // 2) % 36, kind] += strength
        x, y = np.sin(np.radians(bearing)), -np.cos(np.radians(bearing))
        aerial[int(18 + 14 * y), int(18 + 14 * x), kind] += above
    return (
        Decomposition(panorama.reshape(-1, 4), torch.zeros(4), (2, 36)),
        Decomposition(aerial.reshape(-1, 4), torch.zeros(4), (36, 36)),
    )


@pytest.mark.parametrize("heading", [0.0, 40.0, 333.0])
def test_the_partial_map_is_right_where_overall_peaks_are_different_things(heading: float) -> None:
    # The second thing matters more, but is wide in the panorama: no column of it stands out.
    found = headings(*streams_of_things([(0, 50, [3], 1), (1, 200, [2, 2, 2], 1)], heading))
    assert error(found["overall"], heading) > 90
    assert error(found["partial"], heading) < 10
    assert error(found["all_partial"], heading) < 10


def test_all_partial_maps_are_right_where_a_kind_comes_twice() -> None:
    heading = 120.0
    things = [(0, 50, [3], 1), (0, 170, [2], 1.5), (1, 200, [1], 1), (2, 300, [1], 1)]
    found = headings(*streams_of_things(things, heading))
    assert error(found["partial"], heading) > 90
    assert error(found["all_partial"], heading) < 10


def test_votes_equal_a_loop_over_all_pairs_of_a_column_and_a_position() -> None:
    generator = torch.Generator().manual_seed(3)
    sides = [
        Decomposition(
            torch.randn(rows * cols, 4, generator=generator), torch.zeros(4), (rows, cols)
        )
        for rows, cols in ((2, 6), (4, 4))
    ]
    votes = np.zeros(720)
    for col in range(6):
        column = sides[0].contributions.reshape(2, 6, 4)[:, col].sum(0)
        for row, left in np.ndindex(4, 4):
            x, y = left - 1.5, 1.5 - row
            turn = np.degrees(np.arctan2(x, y)) - (col + 0.5) * 60
            agreement = float(column @ sides[1].contributions[row * 4 + left])
            for slot in range(720):
                away = error(slot / 2, round(turn % 360 * 2) / 2)
                votes[slot] += agreement * np.exp(-((away / 4) ** 2) / 2)
    assert headings(sides[0], sides[1])["all_partial"] == votes.argmax() / 2


def test_shares_and_histogram_are_as_worked_out_by_hand() -> None:
    found = Orientation(np.array([0.0, 3.5, 9.9, 10.0, 180.0]))
    assert (found.within(3.5), found.within(180)) == (0.4, 1)
    assert found.histogram.tolist() == [0.6, 0.2, *[0] * 15, 0.2]


def test_convolutions_go_all_around() -> None:
    stream = Stream(around=True).eval()
    pixels = torch.randn(2, 3, 16, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        rolled = stream.features(pixels.roll(8, 3))
        torch.testing.assert_close(rolled, stream.features(pixels).roll(2, 3))
    assert Around(1)(pixels).shape == (2, 3, 18, 50)


QUICK = StreamTraining(pairs=24, steps=12, batch=12)


@pytest.fixture(scope="module")
def models() -> tuple[MetricModel, MetricModel]:
    losses: list[float] = []
    pairs = list(generate(QUICK.pairs, 0))
    trained = train(pairs, QUICK, lambda step, loss: losses.append(loss))
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    return trained


def test_the_measure_equals_a_loop_over_the_pairs(models: tuple[MetricModel, MetricModel]) -> None:
    pairs = list(generate(18, 1))
    found = measure_orientation(*models, pairs)
    streets = [models[0].decompose([pair.panorama])[0] for pair in pairs]
    aerials = [models[1].decompose([pair.aerial])[0] for pair in pairs]
    nearest = []
    for number, (pair, street) in enumerate(zip(pairs, streets, strict=True)):
        cosines = [torch.cosine_similarity(street.embedding, a.embedding, dim=0) for a in aerials]
        nearest.append(int(torch.stack(cosines).argmax()))
        for method, heading in headings(street, aerials[number]).items():
            expected = pytest.approx(error(heading, pair.heading), abs=0.5)
            assert found.methods[method].errors[number] == expected
    assert found.recall_at_1 == np.mean([n == i for i, n in enumerate(nearest)])


def test_what_cannot_be_measured_is_refused(models: tuple[MetricModel, MetricModel]) -> None:
    with pytest.raises(AnnotationError, match="no pair"):
        measure_orientation(*models, [])
    cropping = Preprocessing(AERIAL.height, AERIAL.width, resize="shortest_side_crop")
    cut = MetricModel.from_module(
        Stream(False), feature_layer="features", preprocessing=cropping, name="cropping"
    )
    with pytest.raises(AnnotationError, match="'cropping' crops"):
        measure_orientation(models[0], cut, generate(1, 0))
    with pytest.raises(ShapeError, match="4 and 5 dimensions"):
        headings(
            Decomposition(torch.ones(4, 4), torch.zeros(4), (2, 2)),
            Decomposition(torch.ones(4, 5), torch.zeros(5), (2, 2)),
        )


def write_cvusa(folder: Path, pairs: list[Pair]) -> None:
    """In CVUSA's own layout: north up, and the middle of a panorama looks north."""
    rows = []
    for number, pair in enumerate(pairs):
        paths = f"bingmap/19/{number:07}.png", f"streetview/panos/{number:07}.png"
        width = pair.panorama.shape[1]
        left = round((180 - pair.heading) / 360 * width)
        for path, picture in zip(
            paths, (pair.aerial, np.roll(pair.panorama, -left, 1)), strict=True
        ):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / path)
        rows.append(",".join([*paths, "annotations/none.png"]))
    (folder / "splits").mkdir()
    (folder / "splits/val-19zl.csv").write_text("\n".join(rows) + "\n")


def test_pairs_in_the_layout_of_cvusa_are_turned_and_known_to_be(tmp_path: Path) -> None:
    landmarks = (Landmark("tower", 200, 20.0, 0),)
    empty, random = draw_panorama((), 0, np.random.default_rng(0)), np.random.default_rng
    panorama = draw_panorama(landmarks, 180.0, random(0))
    write_cvusa(tmp_path, [Pair(draw_aerial(landmarks, random(0)), panorama, 180.0)] * 4)
    read = list(read_cvusa(tmp_path, seed=1))
    assert len({pair.heading for pair in read}) > 1
    for pair in read:
        # The ground and the sky are plain, so that the empty place looks the same all around.
        found = colour_bearing(pair.panorama, empty, False, pair.heading)
        assert error(found, 200) < 2.5
        assert np.array_equal(pair.aerial, read[0].aerial)
    assert [one.heading for one in read_cvusa(tmp_path, seed=1)] == [one.heading for one in read]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("bingmap/19/1.jpg", "row 1"),
        ("../a.jpg,b.jpg", "relative to the folder"),
        ("/a.jpg,b.jpg", "relative to the folder"),
        ("a.jpg,b.jpg", "a.jpg"),
        ("", "row 1|no pair"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(tmp_path: Path, row: str, problem: str) -> None:
    (tmp_path / "pairs.csv").write_text(row + "\n")
    with pytest.raises(AnnotationError, match=problem):
        list(read_cvusa(tmp_path, "pairs.csv"))
    with pytest.raises(AnnotationError, match=r"none\.csv"):
        list(read_cvusa(tmp_path, "none.csv"))


def test_the_command_trains_measures_and_draws(tmp_path: Path) -> None:
    arguments = ["orient", "--pairs", "5", "--train-pairs", "8", "--steps", "2", "--json"]
    once = CliRunner().invoke(evaluate, arguments)
    figure = tmp_path / "figure.svg"
    again = CliRunner().invoke(evaluate, [*arguments, "--figure", str(figure)])
    plain = json.loads(once.stdout)
    assert plain == json.loads(again.stdout) and "all_partial" in figure.read_text()
    assert plain["pairs"] == 5
    for method in ("overall", "partial", "all_partial"):
        assert sum(plain[method]["histogram"]) == pytest.approx(1)


def test_the_command_measures_given_models_on_cvusa(
    tmp_path: Path, models: tuple[MetricModel, MetricModel]
) -> None:
    write_cvusa(tmp_path, list(generate(4, 7)))
    arguments = ["orient", "--cvusa", str(tmp_path), "--pairs", "3"]
    alone = CliRunner().invoke(evaluate, arguments)
    assert alone.exit_code == 2 and "--aerial-model" in alone.output
    for name, model in zip(("panorama", "aerial"), models, strict=True):
        model.save(tmp_path / name)
        arguments += [f"--{name}-model", str(tmp_path / name)]
    run = CliRunner().invoke(evaluate, arguments)
    assert "3 pairs" in run.output and "within 3.5°" in run.output
    missing = CliRunner().invoke(evaluate, [*arguments, "--split", "splits/none.csv"])
    assert missing.exit_code == 1 and "none.csv" in missing.output


def test_streams_take_what_their_preprocessing_gives() -> None:
    pair = next(generate(1, 0))
    assert PANORAMA.pixels(pair.panorama).shape == (3, 48, 192)
    assert AERIAL.pixels(pair.aerial).shape == (3, 96, 96)
