"""A change between two runs has its own interval, and other runs are refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.commands.evaluate import evaluate
from partlens.explainer.evaluation.comparison import read_earlier
from partlens.explainer.evaluation.sampling import Count, Tally
from partlens.explainer.starter import model_folder
from partlens.explainer.starter.pictures import generate
from partlens.explainer.starter.pictures.manifest import write_pictures

NAMES = ("precision_at_10", "part_hit")


def counts(seed: int, gain: float = 0.0) -> list[Count]:
    """Hits in ten tries of two groups; labels differ far more than the gain."""
    random = np.random.default_rng(seed)
    shares = random.random((2, 15)) * 0.8
    return [
        Count(group, f"species {label}", 10 * (shares[row, label] + gain), 10)
        for row, group in enumerate(("beak", "tail"))
        for label in range(15)
    ]


def test_a_change_is_that_of_a_naive_bootstrap_of_pairs() -> None:
    random = np.random.default_rng(5)
    before, after = counts(1), [c._replace(hits=c.hits + random.random()) for c in counts(1)]
    labels, means = sorted({count.label for count in before}), []
    for _ in range(4000):
        drawn = random.choice(labels, len(labels))
        both = [
            [sum(c.hits for label in drawn for c in some if c.label == label) for some in pair]
            for pair in [(after, before)]
        ]
        means.append((both[0][0] - both[0][1]) / (10 * 2 * len(labels)))
    value, interval = Tally.of(after).change_from(Tally.of(before))
    assert value == pytest.approx(np.mean([c.hits for c in after]) / 10 - Tally.of(before).mean())
    assert interval == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=0.002)


def test_a_small_gain_everywhere_is_certain_though_the_means_are_not() -> None:
    before, after = Tally.of(counts(2)), Tally.of(counts(2, gain=0.02))
    value, interval = after.change_from(before)
    assert interval is not None and value == pytest.approx(0.02)
    assert interval == pytest.approx((0.02, 0.02))
    low, high = before.interval() or (0, 0)
    assert high - low > 0.1


def test_the_order_of_groups_and_labels_does_not_matter() -> None:
    before, after = counts(3), counts(4)
    expected = Tally.of(after).change_from(Tally.of(before))
    shuffled = [before[i] for i in np.random.default_rng(0).permutation(len(before))]
    assert Tally.of(after).change_from(Tally.of(shuffled)) == expected


def test_other_groups_or_labels_cannot_be_compared() -> None:
    whole = counts(3)
    with pytest.raises(AnnotationError, match="other labels: species 14 in one only"):
        Tally.of(whole).change_from(Tally.of(c for c in whole if c.label != "species 14"))
    with pytest.raises(AnnotationError, match="other groups: tail in one only"):
        Tally.of(whole).change_from(Tally.of(c for c in whole if c.group != "tail"))


def test_counts_survive_json() -> None:
    tally = Tally.of(counts(6))
    again = Tally.from_json(json.loads(json.dumps(tally.to_json())))
    assert again.by_group() == tally.by_group() and again.interval() == tally.interval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("people")
    write_pictures(generate(24, 7, 3), made)
    return made


def run(folder: Path, *more: str) -> Any:
    given = {"--model": model_folder(), "--images": folder, "--part": "shoes", "--queries": 4}
    given |= {"--annotations": folder / "images.csv", "--parts": folder / "parts.csv"}
    return CliRunner().invoke(
        evaluate, ["parts", *(str(x) for pair in given.items() for x in pair), *more]
    )


def test_a_run_against_itself_did_not_change(folder: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.json"
    earlier.write_text(run(folder, "--json").output)
    found = json.loads(run(folder, "--against", str(earlier), "--json").output)
    assert set(found) == {"random", "whole", "part", "context"}
    for one in found.values():
        assert one["change"] == {name: [0, [0, 0]] for name in NAMES}
    assert "+.000 / +.000" in run(folder, "--against", str(earlier)).output
    other = run(folder, "--against", str(earlier), "--part", "hat")
    assert other.exit_code == 1 and "other groups: hat in one only" in other.output


@pytest.mark.parametrize(
    "damage",
    [
        lambda found: [found],
        lambda found: {"part": 3},
        lambda found: {"part": {"counts": {"precision_at_10": {}}}},
        lambda found: {"part": {**found["part"], "counts": {"part_hit": None}}},
        lambda found: (
            found["part"]["counts"]["part_hit"].update(hits=[[1, 2, 3, 4, 5, 6, 7, 8, 9]]) or found
        ),
        lambda found: found["part"]["counts"]["part_hit"].update(tries="many") or found,
    ],
)
def test_another_file_is_refused(
    damage: Callable[[Any], object], folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "earlier.json"
    file.write_text(run(folder, "--json").output)
    assert set(read_earlier(file)) == {"random", "whole", "part", "context"}
    file.write_text(json.dumps(damage(json.loads(file.read_text()))))
    with pytest.raises(AnnotationError, match=r"earlier\.json is not what this command prints"):
        read_earlier(file)
    file.write_text("{")
    with pytest.raises(AnnotationError, match=r"earlier\.json cannot be read as JSON"):
        read_earlier(file)
