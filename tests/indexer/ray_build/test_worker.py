"""A worker's rows, once committed, are those that indexing in one process adds."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from gallery_rows import require_same
from listed_pictures import COUNT, MODEL, SPEC, change, write_pictures
from object_store import Bucket

from partlens.common.bucket_address import BucketAddress
from partlens.common.compute import CPU
from partlens.common.storage import Storage
from partlens.explainer.model import MetricModel
from partlens.indexer.errors import DamagedError, ExtractionError, SourceError
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.staging import STAGING
from partlens.indexer.gallery.verification import verify
from partlens.indexer.indexing import Progress, index_images
from partlens.indexer.ray_build.blocks import blocks
from partlens.indexer.ray_build.outcome import Outcome
from partlens.indexer.ray_build.worker import TRIES, Job, Worker
from partlens.indexer.sources import Listing, read_source

BATCH, BLOCK = 4, 8


@pytest.fixture(scope="module")
def model() -> MetricModel:
    return MetricModel.load(MODEL)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pictures")


@pytest.fixture(params=get_args(Storage))
def galleries(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sequence[Gallery]]:
    with (
        Gallery.create(tmp_path / "built", SPEC, request.param) as built,
        Gallery.create(tmp_path / "added", SPEC, request.param) as added,
    ):
        yield built, added


def job(gallery: Gallery, folder: str) -> Job:
    return Job(
        gallery=gallery.home.place,
        model=MODEL,
        digest=SPEC.digest,
        dimensions=SPEC.dimensions,
        compute=CPU,
        batch_size=BATCH,
        cores=os.cpu_count() or 1,  # a worker of so many is not confined, even in this process
        source=None,
        staging=folder,
        storage_version=gallery.storage_version,
        revision=gallery.next_revision,
    )


def build(gallery: Gallery, images: Listing, *, strict: bool = False) -> Progress:
    """Fill a gallery with the outcomes of a worker in this process."""
    progress = Progress(len(images))
    with gallery.staging() as folder:
        worker = Worker(job(gallery, folder))
        for block in list(blocks(images, gallery.view.holdings(), BLOCK)):
            outcome = Outcome.of(worker(block.row()), SPEC.dimensions)
            outcome.commit(gallery, progress, strict=strict)
    return progress


def counts(progress: Progress) -> dict[str, object]:
    return {
        **{name: value for name, value in vars(progress).items() if name not in ("since",)},
        "seconds": None,
        "bad": sorted((one.id, one.reason) for one in progress.bad),
    }


def test_first_and_later_runs_give_the_rows_of_index_add(
    galleries: Sequence[Gallery], manifest: Path, model: MetricModel
) -> None:
    built, added = galleries

    def both() -> Progress:
        images = read_source(manifest)
        progress = build(built, images)
        assert counts(progress) == counts(index_images(added, model, images, batch_size=BATCH))
        require_same(built, added)
        return progress

    first = both()
    assert (first.added, len(first.bad)) == (COUNT - 2, 2)
    assert both().unchanged == COUNT - 2
    change(manifest)
    last = both()
    assert (last.added, last.replaced, last.updated) == (2, 1, 1)
    assert not verify(built.path).findings
    with Gallery.open(built.path) as reopened:
        require_same(reopened, added)


@pytest.mark.parametrize("galleries", ["float16"], indirect=True)
def test_two_images_of_one_id_and_ids_of_places(
    galleries: Sequence[Gallery], manifest: Path, model: MetricModel, tmp_path: Path
) -> None:
    """A folder that moved keeps its ids; of a folder's link to a file, both are images."""
    built, added = galleries
    folder = manifest.parent
    listings = [read_source(manifest), read_source(folder)]
    moved = folder.rename(tmp_path / "elsewhere")
    (moved / "copy.png").symlink_to(moved / "00.png")
    listings += [read_source(moved), read_source(moved)]
    for images in listings:
        twice = Listing((*images.images, images.images[0]))
        assert counts(build(built, twice)) == counts(
            index_images(added, model, twice, batch_size=BATCH)
        )
        require_same(built, added)


@pytest.mark.parametrize("galleries", ["float16"], indirect=True)
def test_an_object_store_gives_the_rows_of_the_folder(
    galleries: Sequence[Gallery],
    manifest: Path,
    model: MetricModel,
    bucket: Bucket,
) -> None:
    built, added = galleries
    folder = manifest.parent
    bucket.upload(folder, f"2026/{folder.name}")
    images, of_folder = read_source(f"{bucket.address}/2026/{folder.name}"), read_source(folder)
    assert images.not_looked_at == of_folder.not_looked_at
    assert [one.id for one in images] == [one.id for one in of_folder]
    progress = build(built, images)
    assert counts(progress) == counts(index_images(added, model, of_folder, batch_size=BATCH))
    require_same(built, added, without=["uri"])
    uris = {one.id: one.uri for one in built.view.stored(list(built.view.digests())).values()}
    assert all(uri == f"{bucket.address}/2026/{id}" for id, uri in uris.items())


def test_a_gallery_in_a_bucket_takes_the_rows_of_index_add(
    address: BucketAddress, manifest: Path, model: MetricModel, tmp_path: Path
) -> None:
    with (
        Gallery.create(address, SPEC) as built,
        Gallery.create(tmp_path / "added", SPEC) as added,
    ):
        for _ in range(2):
            images = read_source(manifest)
            progress = build(built, images)
            assert counts(progress) == counts(index_images(added, model, images, batch_size=BATCH))
            require_same(built, added)
            change(manifest)
        assert not [place for place in built.home.places() if place.startswith(STAGING)]
    assert not verify(address).findings
    with Gallery.open(address) as reopened:
        require_same(reopened, added)


@pytest.mark.parametrize("galleries", ["float16"], indirect=True)
def test_strict_stops_and_writes_nothing_of_the_block(
    galleries: Sequence[Gallery], manifest: Path
) -> None:
    built, _ = galleries
    with pytest.raises(SourceError, match=r"05\.png.*--strict stops here"):
        build(built, read_source(manifest), strict=True)
    assert not len(built.view)


@pytest.mark.parametrize("galleries", ["float16"], indirect=True)
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": Path("/nowhere")}, "/nowhere"),
        ({"digest": "sha256:other"}, "another model on this node"),
        ({"source": Path("/nowhere/pictures")}, "pictures is not on this node"),
        ({"gallery": Path("/nowhere/gallery")}, "no gallery at /nowhere/gallery"),
        ({"staging": "staging/elsewhere"}, "No such file"),
    ],
)
def test_what_a_node_lacks_is_said_and_ends_the_run(
    galleries: Sequence[Gallery], manifest: Path, changed: dict[str, Any], said: str
) -> None:
    built, _ = galleries
    with built.staging() as folder:
        worker = Worker(replace(job(built, folder), **changed))
        block = next(blocks(read_source(manifest), built.view.holdings(), BLOCK))
        outcome = Outcome.of(worker(block.row()), SPEC.dimensions)
        with pytest.raises(ExtractionError, match=said):
            outcome.commit(built, Progress(1))


@pytest.mark.parametrize("galleries", ["float16"], indirect=True)
def test_a_block_is_given_up_after_its_tries(galleries: Sequence[Gallery], manifest: Path) -> None:
    """Each new worker begins it once more, as after the end of the one before."""
    built, _ = galleries
    block, other = list(blocks(read_source(manifest), built.view.holdings(), BLOCK))[:2]
    with built.staging() as folder:
        of = job(built, folder)
        outcomes = [Outcome.of(Worker(of)(block.row()), SPEC.dimensions) for _ in range(TRIES + 1)]
        assert [one.given_up for one in outcomes] == TRIES * [False] + [True]
        assert not Outcome.of(Worker(of)(other.row()), SPEC.dimensions).given_up
        # What a worker wrote that ended is in nobody's way.
        outcomes[-2].commit(built, Progress(1))
    assert len(built.view) == BLOCK - 1
    assert [one.images[0].id for one in block.singly()] == [one.id for one in block.images]


@pytest.mark.parametrize("galleries", ["float16"], indirect=True)
def test_rows_that_changed_on_the_way_are_refused(
    galleries: Sequence[Gallery], manifest: Path
) -> None:
    built, _ = galleries
    block = next(blocks(read_source(manifest), built.view.holdings(), BLOCK))
    with built.staging() as folder:
        outcome = Outcome.of(Worker(job(built, folder))(block.row()), SPEC.dimensions)
        assert outcome.staged is not None
        (place,) = outcome.staged.files
        file = built.path / place
        file.write_bytes(file.read_bytes()[:-200])
        with pytest.raises(DamagedError, match="another process wrote"):
            outcome.commit(built, Progress(1))
    assert not len(built.view)
    assert not verify(built.path).findings
