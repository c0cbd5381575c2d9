"""A gallery of a smaller model holds what that model gives, whether copied or indexed anew."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from partlens.common.media_digest import media_digest
from partlens.explainer.cli import model as commands
from partlens.explainer.model import MetricModel
from partlens.explainer.scoring import query_part, score_images
from partlens.explainer.starter import model_folder
from partlens.explainer.starter.pictures import generate
from partlens.explainer.stored import Stored
from partlens.indexer.cli import index
from partlens.indexer.errors import ModelMismatchError
from partlens.indexer.gallery import Filter, Gallery, Metadata, NewImage
from partlens.indexer.reduction import copy_images, fit_smaller

COUNT, DIMENSIONS = 12, 16


def new_images(model: MetricModel) -> list[NewImage]:
    pictures = list(generate(COUNT, 3, 4))
    seen = model.decompose([picture.image for picture in pictures])
    return [
        NewImage(
            id=picture.id,
            uri=f"file:///{picture.id}.png",
            media_digest=media_digest(picture.image.tobytes()),
            width=picture.image.shape[1],
            height=picture.image.shape[0],
            thumbnail=picture.id.encode(),
            metadata=Metadata(camera=picture.camera, attributes={"drawn": "yes"}),
            contributions=seen.contributions[i],
            bias=seen.bias[i],
        )
        for i, picture in enumerate(pictures)
    ]


@pytest.fixture(scope="module")
def model() -> MetricModel:
    return MetricModel.load(model_folder())


@pytest.fixture
def full(model: MetricModel, tmp_path: Path) -> Gallery:
    with Gallery.create(tmp_path / "full", model.spec) as gallery:
        gallery.add(new_images(model))
    return gallery


def run(*arguments: object) -> Result:
    return CliRunner().invoke(index, [str(each) for each in arguments])


def test_a_copied_gallery_scores_as_the_smaller_model_does(
    model: MetricModel, full: Gallery, tmp_path: Path
) -> None:
    rows, cols = model.spec.grid
    to, folder, small = (rows // 2, cols), tmp_path / "model", tmp_path / "small"
    made = run(
        "reduce", full.path, folder, "--model", model_folder(), "--dimensions", DIMENSIONS,
        "--grid", *to,
    )  # fmt: skip
    assert made.exit_code == 0 and "loses" in made.output, made.output
    assert run("create", small, "--model", folder, "--storage", "int8").exit_code == 0
    for expected in (
        f"{COUNT} added, 0 replaced, 0 updated, 0 unchanged",
        f"0 added, 0 replaced, 0 updated, {COUNT} unchanged",
    ):
        assert expected in run("copy", full.path, small, "--model", folder).output
    loaded, whole = MetricModel.load(folder), new_images(model)
    direct = new_images(loaded)
    with Gallery.open(small, loaded.spec) as gallery:
        assert gallery.bound.storage == "int8" and len(gallery.view) == COUNT
        ids = [one.id for one in direct]
        contributions, bias = gallery.view.decompositions(ids)
        largest = np.abs(np.stack([one.contributions for one in direct])).max()
        np.testing.assert_allclose(
            contributions, np.stack([one.contributions for one in direct]), atol=largest / 100
        )
        np.testing.assert_allclose(bias, np.stack([one.bias for one in direct]), atol=1e-3)
        for one, before in zip((gallery.view.get(id) for id in ids), whole, strict=True):
            for name in vars(one).keys() - {"revision"}:
                assert getattr(one, name) == getattr(before, name)
        assert gallery.view.thumbnails(ids) == [one.thumbnail for one in whole]
        weights = np.ones(loaded.spec.positions, np.float32)
        weights[len(weights) // 2 :] = 0
        part = query_part(direct[0].contributions, direct[0].bias, weights, to)
        hits = gallery.view.search([part], "context", Filter(), COUNT)
        naive = score_images("context", [part], contributions, bias, to)
        assert hits[0].id == ids[0]
        found = {hit.id: hit.score for hit in hits}
        assert found == pytest.approx(dict(zip(ids, naive.scores.tolist(), strict=True)), abs=1e-5)
    status = json.loads(run("status", small, "--json").output)
    assert status["storage"] == "int8" and 0 < status["lost_share"] < 1
    assert status["reduced_from"] == model.spec.digest
    each = (rows // 2) * cols * (DIMENSIONS + 4) + 8 * DIMENSIONS
    assert status["bytes_per_image"] == each


def test_a_refined_gallery_is_copied_and_says_how_it_was_refined(
    model: MetricModel, full: Gallery, tmp_path: Path
) -> None:
    folder, small = tmp_path / "model", tmp_path / "small"
    given = ("reduce", full.path, folder, "--model", model_folder())
    assert run(*given, "--whiten", 0.5, "--remove-position", 3).exit_code == 0
    assert run("create", small, "--model", folder).exit_code == 0
    assert f"{COUNT} added" in run("copy", full.path, small, "--model", folder).output
    status = json.loads(run("status", small, "--json").output)
    assert (status["whitening"], status["positional_removed"]) == (0.5, 3)
    assert status["dimensions"] == model.spec.dimensions - 3
    direct = new_images(MetricModel.load(folder))
    with Gallery.open(small) as gallery:
        contributions, bias = gallery.view.decompositions([one.id for one in direct])
    for kept, made in ((contributions, "contributions"), (bias, "bias")):
        expected = np.stack([getattr(one, made) for one in direct])
        np.testing.assert_allclose(kept, expected, atol=np.abs(expected).max() / 500)
    # An earlier version must say that it is too old, not that the gallery is damaged.
    assert json.loads((small / "gallery.json").read_text())["format"] == 3


def test_a_copy_of_the_same_model_changes_how_numbers_are_kept(
    model: MetricModel, full: Gallery, tmp_path: Path
) -> None:
    with Gallery.create(tmp_path / "int8", model.spec, "int8") as gallery:
        copy_images(full, gallery, model)
        ids = sorted(full.view.digests())
        kept = Stored.of(full.view.decompositions(ids)[0], "int8")
        np.testing.assert_array_equal(gallery.view.decompositions(ids)[0], kept[:])


def test_a_copy_takes_what_is_new_or_has_changed(
    model: MetricModel, full: Gallery, tmp_path: Path
) -> None:
    with Gallery.create(tmp_path / "copy", model.spec) as gallery:
        copy_images(full, gallery, model)
        images = new_images(model)
        full.add([replace(images[0], media_digest="sha256:new"), replace(images[1], id="new")])
        progress = copy_images(full, gallery, model)
        assert (progress.added, progress.replaced, progress.unchanged) == (1, 1, COUNT - 1)
        assert gallery.view.digests() == full.view.digests()


def test_models_that_do_not_belong_together_are_refused(
    model: MetricModel, full: Gallery, tmp_path: Path
) -> None:
    other = replace(model, spec=replace(model.spec, digest="sha256:other"))
    with Gallery.create(tmp_path / "other", other.spec) as gallery:
        with pytest.raises(ModelMismatchError):
            copy_images(full, gallery, other)
        with pytest.raises(ModelMismatchError):
            fit_smaller(gallery, model, tmp_path / "model", None, DIMENSIONS)
    assert not (tmp_path / "model").exists()


def test_bad_arguments_say_what_is_allowed(full: Gallery, tmp_path: Path) -> None:
    given = ("reduce", full.path, tmp_path / "model", "--model", model_folder())
    assert "--dimensions, --grid, --whiten or --remove" in run(*given).output
    assert "is allowed" in run(*given, "--dimensions", 100_000).output
    assert "is allowed" in run(*given, "--grid", 1000, 1).output
    assert "0<=x<=1" in run(*given, "--whiten", 1.5).output
    assert "cannot be projected" in run(*given, "--remove-position", 100_000).output
    removed = run(*given, "--grid", 1, 2, "--remove-position", 2).output
    assert "2 positions differ along at most 1 directions" in removed
    assert not (tmp_path / "model").exists()
    (tmp_path / "model").mkdir()
    assert "already exists" in run(*given, "--dimensions", 8).output


def test_no_projection_is_fitted_to_an_empty_gallery(model: MetricModel, tmp_path: Path) -> None:
    Gallery.create(tmp_path / "empty", model.spec).close()
    given = ("reduce", tmp_path / "empty", tmp_path / "model", "--model", model_folder())
    assert "add some first" in run(*given, "--dimensions", 8).output


def test_a_gallery_of_an_older_folder_is_copied_for_its_registered_copy(
    model: MetricModel, tmp_path: Path
) -> None:
    folders = {name: tmp_path / name for name in ("old", "new", "of old", "of new", "strange")}
    old = replace(model, spec=replace(model.spec, registered=None)).save(folders["old"])
    with Gallery.create(folders["of old"], old.spec) as gallery:
        gallery.add(new_images(old))
    made = CliRunner().invoke(commands, ["register", str(folders["old"]), str(folders["new"])])
    assert made.exit_code == 0 and "rows centred at" in made.output, made.output
    again = CliRunner().invoke(commands, ["register", str(folders["new"]), str(tmp_path / "again")])
    assert again.exit_code == 1 and "says where its cells look already" in again.output
    assert not (tmp_path / "again").exists()
    assert run("create", folders["of new"], "--model", folders["new"]).exit_code == 0
    copied = run("copy", folders["of old"], folders["of new"], "--model", folders["new"])
    assert f"{COUNT} added" in copied.output, copied.output
    formats = [
        json.loads((folders[of] / "gallery.json").read_text())["format"]
        for of in ("of old", "of new")
    ]
    assert formats == [1, 3]
    with (
        Gallery.open(folders["of old"], old.spec) as before,
        Gallery.open(folders["of new"], MetricModel.load(folders["new"]).spec) as after,
    ):
        ids = sorted(before.view.digests())
        for kept, moved in zip(
            before.view.decompositions(ids), after.view.decompositions(ids), strict=True
        ):
            np.testing.assert_array_equal(kept, moved)
    replace(old, spec=replace(old.spec, name="strange")).save(folders["strange"])
    refused = run("copy", folders["of new"], folders["of old"], "--model", folders["strange"])
    assert refused.exit_code != 0
