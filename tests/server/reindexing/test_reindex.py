"""`index reindex`: a gallery of another model, filled from the originals of the old one."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tests.server.conftest import DEADLINE, picture, tiny_model
from tests.server.galleries.conftest import Two, serving

from partlens.cli.main import main
from partlens.common.metadata import Metadata
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.indexer.indexing import index_images
from partlens.indexer.sources import read_source
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1 import standing_query_service_pb2 as standing_pb

BOX = region_pb.Region(box=region_pb.Box(x=4, y=4, width=24, height=30))
PHOTOS = [f"{i}.png" for i in range(6)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each model."""
    made = tmp_path_factory.mktemp("models")
    tiny_model().save(made / "old")
    tiny_model("newer", seed=1, size=(48, 24)).save(made / "new")
    return {name: made / name for name in ("old", "new")}


@pytest.fixture(scope="module")
def loaded(folders: dict[str, Path]) -> dict[str, MetricModel]:
    return {
        "people": MetricModel.load(folders["old"]),
        "people-v2": MetricModel.load(folders["new"]),
    }


@pytest.fixture
def photos(tmp_path: Path, loaded: dict[str, MetricModel]) -> Path:
    """A folder of pictures with metadata, which are in the gallery `people`."""
    folder = tmp_path / "photos"
    folder.mkdir()
    lines = ["id,path,camera,track,attr:coat"]
    for i, name in enumerate(PHOTOS):
        (folder / name).write_bytes(picture(i))
        lines.append(f"p{i},photos/{name},cam{i % 2},t{i},colour {i}")
    manifest = tmp_path / "images.csv"
    manifest.write_text("\n".join(lines))
    model = loaded["people"]
    with Gallery.create(tmp_path / "people", model.spec, "int8") as gallery:
        progress = index_images(gallery, model, read_source(manifest))
    assert progress.added == len(PHOTOS), progress.bad
    return folder


def reindex(folder: Path, model: Path, *more: str) -> Result:
    command = ["index", "reindex", str(folder / "people"), str(folder / "people-v2")]
    command += ["--model", str(model), "--originals", str(folder / "photos"), *more]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    return result


def contents(path: Path) -> dict[str, tuple[str, str, Metadata]]:
    with Gallery.open(path) as gallery:
        view = gallery.view
        return {
            id: (one.uri, one.media_digest, one.metadata)
            for id in view.digests()
            for one in [view.get(id)]
        }


def test_the_new_gallery_is_what_indexing_the_originals_gives(
    tmp_path: Path, photos: Path, folders: dict[str, Path], loaded: dict[str, MetricModel]
) -> None:
    reindex(tmp_path, folders["new"])
    model = loaded["people-v2"]
    with Gallery.create(tmp_path / "expected", model.spec, "int8") as expected:
        index_images(expected, model, read_source(tmp_path / "images.csv"))
        with Gallery.open(tmp_path / "people-v2", model.spec) as made:
            ids = sorted(expected.view.digests())
            for got, wanted in zip(
                made.view.decompositions(ids), expected.view.decompositions(ids), strict=True
            ):
                np.testing.assert_array_equal(got, wanted)
            assert made.bound.storage == "int8"
    assert contents(tmp_path / "people-v2") == contents(tmp_path / "people")


def test_originals_that_cannot_be_reached_are_listed_and_a_later_run_goes_on(
    tmp_path: Path, photos: Path, folders: dict[str, Path]
) -> None:
    away = photos / "1.png"
    away.rename(tmp_path / "1.png")
    (photos / "2.png").write_bytes(picture(50))
    first = reindex(tmp_path, folders["new"])
    assert "skipped p1: its original cannot be read" in first.stderr
    assert "skipped p2: its original cannot be read" in first.stderr
    assert "has changed since it was indexed" in first.stderr
    assert first.stdout.startswith("4 added")
    (tmp_path / "1.png").rename(away)
    for name in ("0.png", "3.png"):  # need no original, since they are there already
        (photos / name).unlink()
    second = reindex(tmp_path, folders["new"])
    assert second.stdout.startswith("1 added, 0 replaced, 0 updated, 4 unchanged, 1 skipped")


def test_nothing_is_read_outside_the_folders_of_originals(
    tmp_path: Path, photos: Path, folders: dict[str, Path]
) -> None:
    (tmp_path / "other").mkdir()
    command = ["index", "reindex", str(tmp_path / "people"), str(tmp_path / "people-v2")]
    command += ["--model", str(folders["new"])]
    result = CliRunner().invoke(main, [*command, "--originals", str(tmp_path / "other")])
    assert result.stderr.count("is not in a folder of originals") == len(PHOTOS)
    assert result.exit_code == 1 and "no original could be read" in result.stderr
    result = CliRunner().invoke(main, [*command, "--originals", str(tmp_path / "nowhere")])
    assert result.exit_code == 2 and "does not exist" in result.stderr
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2 and "--originals" in result.stderr
    command[-1] = str(folders["old"])
    result = CliRunner().invoke(main, [*command, "--originals", str(photos)])
    assert result.exit_code == 2 and "index copy" in result.stderr


def test_a_later_run_follows_corrections_and_deletions(
    tmp_path: Path, photos: Path, folders: dict[str, Path], loaded: dict[str, MetricModel]
) -> None:
    reindex(tmp_path, folders["new"])
    text = (tmp_path / "images.csv").read_text().replace("colour 3", "red")
    (tmp_path / "images.csv").write_text(text)
    with Gallery.open(tmp_path / "people") as old:
        index_images(old, loaded["people"], read_source(tmp_path / "images.csv"))
        old.delete(["p5"])
    told = reindex(tmp_path, folders["new"])
    assert told.stdout.startswith("0 added, 0 replaced, 1 updated, 4 unchanged")
    assert "does not have 1 images" in told.stderr and "p5" in told.stderr
    reindex(tmp_path, folders["new"], "--delete-others")
    assert contents(tmp_path / "people-v2") == contents(tmp_path / "people")


@asynccontextmanager
async def watched(two: Two, name: str) -> AsyncIterator[object]:
    call = two.standing.WatchMatches(
        standing_pb.WatchMatchesRequest(gallery=name), timeout=DEADLINE
    )
    try:
        yield call
    finally:
        call.cancel()


def asked(
    name: str, *images: image_pb.QueryImage, **more: object
) -> standing_pb.CreateStandingQueryRequest:
    return standing_pb.CreateStandingQueryRequest(
        name=name,
        images=images,
        regions=[search_pb.QueryRegion(region=BOX)],
        threshold=-10.0,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("keep", [False, True])
async def test_standing_queries_are_carried_over_and_begin_with_the_swap(
    tmp_path: Path,
    photos: Path,
    folders: dict[str, Path],
    loaded: dict[str, MetricModel],
    keep: bool,
) -> None:
    stored = image_pb.QueryImage(gallery_id="p3")
    sent = image_pb.QueryImage(data=picture(90))
    standing: dict[str, object] = {"keep_pictures": keep}
    async with serving(loaded, tmp_path, standing=standing) as two:
        made = {}
        for request in (
            asked("stored", stored, marks=[search_pb.Mark(image=stored)]),
            asked("sent", sent, filter=image_pb.Filter(cameras=["cam1"])),
            asked("paused", stored),
        ):
            answer = await two.standing.CreateStandingQuery(request, timeout=DEADLINE)
            made[request.name] = answer.standing_query
        pause = standing_pb.UpdateStandingQueryRequest(id=made["paused"].id, paused=True)
        await two.standing.UpdateStandingQuery(pause, timeout=DEADLINE)
    told = reindex(tmp_path, folders["new"])
    carried = {"stored", "paused"} | ({"sent"} if keep else set())
    assert f"{len(carried)} of 3 standing queries carried over" in told.stdout
    assert ("not carried over: standing query" in told.stderr) == (not keep)
    reindex(tmp_path, folders["new"])  # again changes nothing
    async with serving(loaded, tmp_path, standing=standing) as two:
        async with watched(two, "people") as call:
            moved = await two.gallery.SetGalleryAlias(
                pb.SetGalleryAliasRequest(alias="people", gallery="people-v2"), timeout=DEADLINE
            )
            assert {one.name for one in moved.left} == {"stored", "sent", "paused"} - carried
            listed = await two.standing.ListStandingQueries(
                standing_pb.ListStandingQueriesRequest(gallery="people"), timeout=DEADLINE
            )
            found = {one.name: one for one in listed.standing_queries}
            assert set(found) == carried
            for name, one in found.items():
                before = made[name]
                assert (one.id, one.filter, one.threshold) == (
                    before.id,
                    before.filter,
                    before.threshold,
                )
                assert one.paused == (name == "paused") and one.gallery == "people-v2"
            new = pb.UpsertImageRequest(id="new", data=picture(77), gallery="people")
            new.metadata.camera = "cam1"
            await two.gallery.UpsertImage(new, timeout=DEADLINE)
            live = sorted(carried - {"paused"})
            matches = [await call.read() for _ in live]  # type: ignore[attr-defined]
            assert sorted(one.standing_query_name for one in matches) == live
            assert {(one.hit.id, one.gallery) for one in matches} == {("new", "people-v2")}
            # The score is that of the same search with the new model.
            search = search_pb.SearchRegionsRequest(
                images=[stored],
                regions=[search_pb.QueryRegion(region=BOX)],
                marks=[search_pb.Mark(image=stored)],
                gallery="people",
                page_size=50,
            )
            hits = (await two.search.SearchRegions(search, timeout=DEADLINE)).hits
            (hit,) = [one for one in hits if one.id == "new"]
            (match,) = [one for one in matches if one.standing_query_name == "stored"]
            assert match.hit.score == pytest.approx(hit.score, abs=1e-6)


async def test_a_query_of_an_image_that_was_replaced_is_not_carried_over(
    tmp_path: Path, photos: Path, folders: dict[str, Path], loaded: dict[str, MetricModel]
) -> None:
    async with serving(loaded, tmp_path) as two:
        request = asked("p3", image_pb.QueryImage(gallery_id="p3"))
        await two.standing.CreateStandingQuery(request, timeout=DEADLINE)
    (photos / "3.png").write_bytes(picture(60))
    with Gallery.open(tmp_path / "people") as old:
        index_images(old, loaded["people"], read_source(tmp_path / "images.csv"))
    told = reindex(tmp_path, folders["new"])
    assert "its image 'p3' was replaced by another picture" in told.stderr
    stored = json.dumps(sorted(path.name for path in tmp_path.glob("people-v2.standing/*.safe*")))
    assert stored == "[]"
