"""Shares of a generated gallery: together they are the gallery; `bench shares` times them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from partlens.cli.main import main
from partlens.common.filters import Filter
from partlens.indexer.bench.contenders import TOP
from partlens.indexer.bench.synthetic import queries
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.durability import files_below
from partlens.server.bench.fanout import estimates, shares
from partlens.server.bench.fanout.measured import read
from partlens.server.bench.fanout.shares import ShareError

IMAGES = 1200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shares")
    for count in (1, 2):
        shares.prepare(made, IMAGES, count)
    return made


def test_merged_answers_of_shares_are_those_of_the_whole(folder: Path) -> None:
    (whole,) = shares.prepare(folder, IMAGES, 1)
    halves = shares.prepare(folder, IMAGES, 2)
    with Gallery.open(whole) as gallery, shares.opened(halves) as asked:
        for number, query in enumerate(queries(gallery, 3)):
            asked.ask(number, query.part)
            answers: list[shares.Answer] = []
            while len(answers) < len(halves):
                answers += asked.answers()
            assert {answer.number for answer in answers} == {number}
            found = shares.merged(answers)
            wanted = gallery.view.search([query.part], "context", Filter(), TOP)
            assert [hit.id for hit in found] == [one.id for one in wanted]
            for hit, one in zip(found, wanted, strict=True):
                assert -hit.minus_score == pytest.approx(one.score, abs=1e-6)
                assert hit.map == pytest.approx(one.map, abs=1e-6)


def test_a_share_that_cannot_be_opened_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ShareError, match="a share failed"), shares.opened([tmp_path]):
        pass


def test_what_is_measured_can_be_predicted(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "measured.json"
    options = ["--images", str(IMAGES), "--shards", "1,2", "--rate", "50", "--queries", "10"]
    options += ["--rounds", "1", "--folder", str(folder), "--out", str(out), "--json"]
    result = CliRunner().invoke(main, ["bench", "shares", *options])
    assert result.exit_code == 0, result.output
    measured = read(out)
    assert {size: len(times) for size, times in measured.alone.items()} == {1200: 10, 600: 20}
    assert [(run.shards, len(run.milliseconds)) for run in measured.runs] == [(1, 10), (2, 10)]
    assert all(row["predicted_p50_ms"] > 0 for row in json.loads(result.stdout))


@pytest.mark.parametrize("wrong", [("--shards", "7"), ("--shards", "100")])
def test_shares_that_are_not_equal_or_too_small_are_refused(
    tmp_path: Path, wrong: tuple[str, str]
) -> None:
    options = ["--images", str(IMAGES), "--folder", str(tmp_path), "--out", str(tmp_path / "x")]
    result = CliRunner().invoke(main, ["bench", "shares", *options, *wrong])
    assert result.exit_code == 2 and "cannot be divided into" in result.output


def test_estimated_bytes_are_those_on_the_disk(folder: Path) -> None:
    (whole,) = shares.prepare(folder, IMAGES, 1)
    size = sum(file.stat().st_size for file in files_below(whole / "segments"))
    wanted = estimates.Wanted(IMAGES, 32, 128, "float16", 0, 500.0, 1)
    assert size == pytest.approx(IMAGES * estimates.segment_row_bytes(wanted), rel=0.03)
