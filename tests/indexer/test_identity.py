"""Images of several sources stay apart, and what a source says of the same bytes is written."""

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result
from drawn_video import write
from numpy.typing import NDArray
from PIL import Image

from partlens.common.waiting import RequireWaiting, wait_always
from partlens.explainer.decompositions import Decompositions
from partlens.explainer.model import MetricModel
from partlens.explainer.starter import model_folder
from partlens.indexer.cli import index
from partlens.indexer.gallery import Gallery, Metadata
from partlens.indexer.gallery.verification import verify
from partlens.indexer.indexing import Progress, index_images
from partlens.indexer.reduction import copy_images
from partlens.indexer.sources import ImageFile, read_source
from partlens.indexer.stated import Stated
from partlens.indexer.video import Detection, Video

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class CountingModel(MetricModel):
    """A real model that notes how many images it was given."""

    def decompose_pixels(
        self, pixels: NDArray[np.float32], require_waiting: RequireWaiting = wait_always
    ) -> Decompositions:
        PASSES.append(len(pixels))
        return super().decompose_pixels(pixels, require_waiting)


PASSES: list[int] = []


@pytest.fixture(scope="module")
def model() -> MetricModel:
    loaded = MetricModel.load(model_folder())
    return CountingModel(loaded.spec, loaded.backbone, loaded.head)


@pytest.fixture
def gallery(tmp_path: Path, model: MetricModel) -> Gallery:
    return Gallery.create(tmp_path / "gallery", model.spec)


def draw(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    Image.fromarray(random.integers(0, 256, (16, 8, 3), np.uint8)).save(path)
    return path


def run(gallery: Gallery, model: MetricModel, source: Path) -> Progress:
    return index_images(gallery, model, read_source(source))


def counts(progress: Progress) -> tuple[int, int, int, int, int]:
    """Added, replaced, updated, unchanged, skipped."""
    return (
        progress.added,
        progress.replaced,
        progress.updated,
        progress.unchanged,
        len(progress.bad),
    )


def ids(gallery: Gallery) -> list[str]:
    return [one.id for one in gallery.view.list()]


def add(gallery: Gallery, source: Path, *more: str) -> Result:
    gallery.close()
    words = ["add", str(gallery.path), str(source), "--model", str(model_folder()), *more]
    result = CliRunner().invoke(index, words)
    assert result.exit_code == 0, result.output
    gallery.refresh()
    return result


def test_folders_with_the_same_file_names_stay_apart(
    gallery: Gallery, model: MetricModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed, year in enumerate(("2024", "2025")):
        draw(tmp_path / "dcim" / year / "IMG_1.png", seed)
    assert counts(run(gallery, model, tmp_path / "dcim/2024")) == (1, 0, 0, 0, 0)
    monkeypatch.chdir(tmp_path / "dcim/2025")
    assert counts(run(gallery, model, Path())) == (1, 0, 0, 0, 0)
    assert ids(gallery) == ["2024/IMG_1.png", "2025/IMG_1.png"]
    # The same files, by other paths that lead there.
    for path in (Path("."), Path("../2024"), tmp_path / "dcim" / "2024/../2025"):
        assert counts(run(gallery, model, path)) == (0, 0, 0, 1, 0)


def test_videos_with_the_same_name_stay_apart(gallery: Gallery, tmp_path: Path) -> None:
    for place in ("gate", "yard"):
        (tmp_path / place).mkdir()
        write(tmp_path / place / "10-00.mp4", 11)
        last = add(gallery, tmp_path / place / "10-00.mp4").stdout
        assert last.startswith("2 added, 0 replaced, 0 updated, 0 unchanged, 0 skipped"), last
    assert [id.partition("#")[0] for id in ids(gallery)] == [
        "gate/10-00.mp4", "gate/10-00.mp4", "yard/10-00.mp4", "yard/10-00.mp4",
    ]  # fmt: skip


def test_images_keep_the_ids_that_earlier_versions_gave_them(
    gallery: Gallery, model: MetricModel, tmp_path: Path
) -> None:
    """Ids without the folder's name, and a manifest's own: the same place is the same image."""
    old = [draw(tmp_path / "photos" / f"{i}.png", i) for i in range(3)]
    index_images(gallery, model, [ImageFile(one.name, one, Metadata()) for one in old[:2]])
    assert counts(run(gallery, model, tmp_path / "photos")) == (1, 0, 0, 2, 0)
    assert ids(gallery) == ["0.png", "1.png", "photos/2.png"]
    manifest = tmp_path / "photos" / "m.csv"
    manifest.write_text("path,camera\n0.png,gate\n2.png,yard\n")
    assert counts(run(gallery, model, manifest)) == (0, 0, 2, 0, 0)
    assert ids(gallery) == ["0.png", "1.png", "photos/2.png"]
    draw(old[0], 99)
    progress = run(gallery, model, tmp_path / "photos")
    assert counts(progress) == (0, 1, 0, 2, 0) and not progress.displaced
    # It is still the picture of that camera, which the folder knows nothing of.
    assert gallery.view.get("0.png").metadata.camera == "gate"


def test_an_archive_that_was_moved_is_updated_and_said(
    gallery: Gallery, model: MetricModel, tmp_path: Path
) -> None:
    for i in range(3):
        draw(tmp_path / "a/2024" / f"{i}.png", i)
    run(gallery, model, tmp_path / "a/2024")
    shutil.move(tmp_path / "a", tmp_path / "b")
    PASSES.clear()
    result = add(gallery, tmp_path / "b/2024")
    assert "0 added, 0 replaced, 3 updated, 0 unchanged" in result.stdout
    assert "warning: 3 images come from another place" in result.stderr
    assert gallery.view.get("2024/0.png").uri == (tmp_path / "b/2024/0.png").as_uri()
    assert counts(run(gallery, model, tmp_path / "b/2024")) == (0, 0, 0, 3, 0)
    assert not PASSES and not verify(gallery.path).findings


def test_an_id_that_comes_from_another_place_with_other_bytes_is_warned_of(
    gallery: Gallery, model: MetricModel, tmp_path: Path
) -> None:
    for seed, parent in enumerate(("a", "b")):
        for i in range(12):
            draw(tmp_path / parent / "2024" / f"{i:02}.png", 100 * seed + i)
    run(gallery, model, tmp_path / "a/2024")
    result = add(gallery, tmp_path / "b/2024")
    assert result.stdout.startswith("0 added, 12 replaced, 0 updated, 0 unchanged, 0 skipped")
    lines = [line for line in result.stderr.splitlines() if line.startswith("warning")]
    first, second = (tmp_path / name / "2024/00.png" for name in ("b", "a"))
    assert f"{first.as_uri()} replaced {second.as_uri()}" in lines[0] and "2024/00.png" in lines[0]
    assert len(lines) == 11 and "2 more images" in lines[-1]
    (last,) = [line for line in result.stderr.splitlines() if line.startswith("{")][-1:]
    facts = json.loads(last)
    assert (facts["added"], facts["replaced"], facts["updated"]) == (0, 12, 0)


def test_two_images_of_one_source_never_share_an_id(
    gallery: Gallery, model: MetricModel, tmp_path: Path
) -> None:
    one, two = (draw(tmp_path / f"{i}.png", i) for i in range(2))
    both = [ImageFile("x", path, Metadata(), Stated(id=True)) for path in (one, two)]
    progress = index_images(gallery, model, both, batch_size=1)
    assert counts(progress) == (1, 0, 0, 0, 1) and two.as_uri() in progress.bad[0].reason
    assert gallery.view.get("x").uri == one.as_uri()
    # Two lines of a sidecar with one box.
    boxes = [Detection(0.0, (0, 0, 9, 9), track, {}) for track in ("1", "2")]
    progress = index_images(gallery, model, Video(write(tmp_path / "v.mp4", 2), detections=boxes))
    assert counts(progress) == (1, 0, 0, 0, 1)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_corrected_metadata_is_written_without_a_pass(
    gallery: Gallery, model: MetricModel, tmp_path: Path, kind: str
) -> None:
    for i in range(3):
        draw(tmp_path / f"{i}.png", i)
    texts = tmp_path / "m.csv"

    def manifest(text: str) -> Path:
        texts.write_text(text)
        if kind == "parquet":
            table = pyarrow.csv.read_csv(texts)
            pyarrow.parquet.write_table(table, tmp_path / "m.parquet")
        return tmp_path / f"m.{kind}"

    header = "path,camera,captured_at,hat\n"
    first = f"{header}0.png,gate,2026-05-01T12:00:00Z,red\n1.png,gate,,\n2.png,yard,,blue\n"
    assert counts(run(gallery, model, manifest(first))) == (3, 0, 0, 0, 0)
    before, _ = gallery.view.decompositions(["0.png"])
    PASSES.clear()
    assert counts(run(gallery, model, manifest(first))) == (0, 0, 0, 3, 0)
    other = f"{header}0.png,yard,2026-05-01T12:00:00Z,\n1.png,gate,,\n2.png,yard,,green\n"
    assert counts(run(gallery, model, manifest(other))) == (0, 0, 2, 1, 0)
    assert gallery.view.get("0.png").metadata == Metadata("yard", "", NOON, {})
    assert gallery.view.get("2.png").metadata.attributes == {"hat": "green"}
    # Without a column, the manifest knows nothing of the field; with an empty cell, it clears it.
    assert counts(run(gallery, model, manifest("path,top\n2.png,white\n"))) == (0, 0, 1, 0, 0)
    known = Metadata("yard", "", None, {"hat": "green", "top": "white"})
    assert gallery.view.get("2.png").metadata == known
    assert counts(run(gallery, model, tmp_path)) == (0, 0, 0, 3, 0)
    assert counts(run(gallery, model, manifest("path,camera\n2.png,\n"))) == (0, 0, 1, 0, 0)
    assert gallery.view.get("2.png").metadata.camera == ""
    assert not PASSES
    np.testing.assert_array_equal(gallery.view.decompositions(["0.png"])[0], before)


def test_what_is_said_of_a_video_is_written_too(
    gallery: Gallery, model: MetricModel, tmp_path: Path
) -> None:
    path, at = write(tmp_path / "v.mp4", 2), (0.0, (0.0, 0.0, 9.0, 9.0))

    def video(track: str, attributes: dict[str, str], camera: str = "") -> tuple[int, ...]:
        one = Detection(*at, track, attributes, states_track=bool(track))
        return counts(index_images(gallery, model, Video(path, detections=[one], camera=camera)))

    assert video("7", {"label": "person"}, "gate") == (1, 0, 0, 0, 0)
    (id,) = ids(gallery)
    PASSES.clear()
    assert video("7", {"label": "person"}) == (0, 0, 0, 1, 0)
    assert video("8", {"label": ""}, "yard") == (0, 0, 1, 0, 0)
    assert gallery.view.get(id).metadata == Metadata("yard", "8", None, {"time": "0.000"})
    assert not PASSES


def test_a_copy_takes_corrections_along(
    gallery: Gallery, model: MetricModel, tmp_path: Path
) -> None:
    draw(tmp_path / "photos/0.png", 0)
    run(gallery, model, tmp_path / "photos")
    with Gallery.create(tmp_path / "copy", model.spec) as copy:
        assert counts(copy_images(gallery, copy, model)) == (1, 0, 0, 0, 0)
        (tmp_path / "photos/m.csv").write_text("path,camera\n0.png,gate\n")
        run(gallery, model, tmp_path / "photos/m.csv")
        assert counts(copy_images(gallery, copy, model)) == (0, 0, 1, 0, 0)
        assert copy.view.get("photos/0.png").metadata.camera == "gate"
        assert counts(copy_images(gallery, copy, model)) == (0, 0, 0, 1, 0)
