"""No answer mixes two commits, and no caller ever gets a byte of another one's camera."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Set
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from moved_images import ID, move_between_cameras, revision

from partlens.common.regions import Box
from partlens.explainer.model import MetricModel
from partlens.explainer.pair import maps_of_retrieved
from partlens.explainer.scoring import QueryPart, query_part
from partlens.indexer.errors import LockedError, NotFoundError
from partlens.indexer.gallery import Filter, Gallery
from partlens.indexer.gallery.following import Follower
from partlens.runtime.config.sections import LimitsSection
from partlens.server.access.confined_gallery import ConfinedGallery
from partlens.server.access.confined_view import ConfinedView
from partlens.server.caller.confinement import Confinement
from partlens.server.engine.engine import Engine
from partlens.server.query_images.prepared import PreparedRegion
from partlens.server.query_images.query import Query
from partlens.server.query_images.sources import StoredPicture
from partlens.server.requests.questions import RegionToFind, SearchQuestion

MINE = Confinement(frozenset("a"))
SECONDS = 60.0 if os.environ.get("PARTLENS_TEST_LONG") == "1" else 2.0
DEADLINE = 60.0


@contextmanager
def working(work: Callable[[], object]) -> Iterator[None]:
    """Does something again and again on a thread, and raises what it raised."""
    end, errors = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            while not end.is_set():
                work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(30)
    for error in errors:
        raise error


def until_many(seen: Set[object]) -> Iterator[None]:
    """Repeats for SECONDS, and on a busy machine until more than 5 revisions have been seen."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end or len(seen) <= 5:
        assert time.monotonic() < end + DEADLINE, f"only {len(seen)} revisions were seen"
        yield


def numbers_read(view: ConfinedView, part: QueryPart) -> set[int]:
    """Which revision every method of a view, and a search that shows everything, says it reads."""
    stored, (listed,) = view.get(ID), view.list("", 5, Filter())
    ((thumbnail,), (again,)) = view.thumbnails([ID]), view.readable_thumbnails([ID])
    assert again == thumbnail and view.facets(Filter(), 5).cameras.values == [("a", 1)]
    _, bias = view.decomposition(ID)
    (hit,) = view.with_thumbnails(view.search([part], "whole", Filter(), 5, None))
    cameras = {one.metadata.camera for one in (stored, listed, hit.stored)}
    assert cameras == {"a"} and thumbnail[:1] == hit.thumbnail[:1] == b"a" and len(view) == 1
    return {
        int(stored.uri),
        int(listed.uri),
        int(hit.stored.uri),
        stored.width - 1,
        int(thumbnail[1:]),
        int(hit.thumbnail[1:]),
        int(bias[0]),
    }


@pytest.fixture
def query(model: MetricModel) -> Query:
    spec, random = model.spec, np.random.default_rng(0)
    contributions = random.standard_normal((spec.positions, spec.dimensions)).astype(np.float32)
    return Query("q-0", (16, 32), contributions, np.ones(spec.dimensions, np.float32))


def test_a_confined_reader_never_sees_another_camera_nor_two_revisions_in_one_answer(
    gallery: Gallery, model: MetricModel, query: Query
) -> None:
    gallery.add([revision(model.spec, 0)])
    number = count(1)
    reader = Gallery.open(gallery.path)
    engine = Engine(model, reader, LimitsSection())
    confined, seen = ConfinedGallery(reader, MINE), set[int]()
    covered = np.ones(model.spec.positions, np.float32)
    part = PreparedRegion(0, covered, 1.0).part([query], model.spec.grid)
    with closing(engine), working(lambda: gallery.add([revision(model.spec, next(number))])):
        for _ in until_many(seen):
            engine.refresh_soon()
            try:
                read = confined.read(lambda view: numbers_read(view, part))
            except NotFoundError:
                continue
            assert len(read) == 1
            seen |= read
    assert not any(one % 2 for one in seen)


def test_a_search_and_its_maps_are_of_one_revision(
    gallery: Gallery, model: MetricModel, query: Query
) -> None:
    gallery.add([revision(model.spec, 0)])
    number = count(1)
    reader = Gallery.open(gallery.path)
    engine = Engine(model, reader, LimitsSection())
    region = RegionToFind(0, Box(0, 0, 8, 8), 1.0, "regions[0]")
    question = SearchQuestion(
        images=(StoredPicture(ID, "images[0].gallery_id"),), regions=(region,),
        where=Filter(), score="whole", page_size=5, page_token="",
        maps=frozenset({"score", "overall", "regions"}), thumbnails=True,
    )  # fmt: skip
    seen = set[int]()
    with closing(engine), working(lambda: gallery.add([revision(model.spec, next(number))])):
        mine = engine.within(MINE)
        for _ in until_many(seen):
            engine.refresh_soon()
            for match in mine.search(question, [query]).matches:
                one = int(match.candidate.stored.uri)
                expected = revision(model.spec, one)
                (overall,) = maps_of_retrieved(
                    query.embedding,
                    query.embedding,
                    expected.contributions[None].astype(np.float32),
                    expected.bias[None],
                    model.spec.grid,
                )
                np.testing.assert_allclose(match.overall_maps[0], overall, rtol=1e-3, atol=1e-5)
                assert match.candidate.thumbnail == expected.thumbnail and one % 2 == 0
                seen.add(one)
            try:
                (asked,) = mine.with_stored([StoredPicture(ID, "image.gallery_id")])
                assert isinstance(asked, Query)
            except NotFoundError:
                continue
            assert asked.image_size[0] - 1 == int(asked.bias[0])


def test_the_images_of_one_question_are_of_one_commit(gallery: Gallery, model: MetricModel) -> None:
    numbers, ids = count(0), (ID, "y")

    def change() -> None:
        new = revision(model.spec, next(numbers), "a")
        gallery.add([replace(new, id=id) for id in ids])

    change()
    seen = set[float]()
    with closing(Engine(model, gallery, LimitsSection())) as engine, working(change):
        for _ in until_many(seen):
            found = engine.with_stored([StoredPicture(id, "images") for id in ids])
            (number,) = {one.bias[0] for one in found if isinstance(one, Query)}
            seen.add(float(number))


def test_a_confined_writer_never_deletes_or_replaces_another_camera(
    gallery: Gallery, model: MetricModel
) -> None:
    number, refused = count(0), list[bool]()

    def change() -> None:
        gallery.add([revision(model.spec, next(number), "b")])
        kept = gallery.view.get(ID)
        time.sleep(0.03)  # longer than a commit that was waiting for this one
        assert gallery.view.get(ID).uri == kept.uri and kept.metadata.camera == "b"
        gallery.add([revision(model.spec, next(number), "a")])

    mine = ConfinedGallery(gallery, MINE)
    end = time.monotonic() + SECONDS
    with working(change):
        while time.monotonic() < end:
            with mine.writing() as writer:
                (added,) = writer.add([(MINE, [revision(model.spec, next(number), "a")])])
                for error in added.refused.values():
                    assert "may not replace" in str(error) and "'b'" not in str(error)
                    refused.append(True)
                if not added.refused:
                    writer.delete([ID])
    assert refused


def test_callers_that_share_a_commit_are_confined_each_by_itself(
    gallery: Gallery, model: MetricModel
) -> None:
    gallery.add([replace(revision(model.spec, 0, "b"), id="kept")])
    wrong = replace(
        revision(model.spec, 1, "a"), id="wrong", contributions=np.zeros((1, 1), np.float32)
    )
    uploads = {
        Confinement(frozenset("a")): [
            replace(revision(model.spec, 2, "a"), id="mine"),
            replace(revision(model.spec, 3, "a"), id="kept"),
            wrong,
        ],
        Confinement(frozenset("b")): [
            replace(revision(model.spec, 4, "a"), id="other camera"),
            replace(revision(model.spec, 5, "b"), id="theirs"),
        ],
        Confinement(None): [replace(revision(model.spec, 6, "c"), id="anyone's")],
    }
    before = gallery.view.number
    with ConfinedGallery(gallery, MINE).writing() as writer:
        added = writer.add(list(uploads.items()))
    assert [sorted(one.refused) for one in added] == [[1, 2], [0], []]
    assert "may not replace" in str(added[0].refused[1]) and not any(a.replaced for a in added)
    assert sorted(gallery.view.stored(["mine", "kept", "wrong", "theirs", "anyone's"])) == [
        "anyone's", "kept", "mine", "theirs",
    ]  # fmt: skip
    assert gallery.view.get("kept").metadata.camera == "b"
    assert len(gallery.view) == 4 and gallery.view.number == before + 1


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("reads", "seconds"), [(1, 3.0), pytest.param(100_000, 10.0, marks=pytest.mark.long)]
)
def test_another_process_that_moves_images_shows_and_loses_nothing_of_the_other_camera(
    gallery: Gallery, model: MetricModel, query: Query, reads: int, seconds: float
) -> None:
    """The other process checks that what it moved to camera b is there until it moves it back."""
    gallery.add([revision(model.spec, 0)])
    gallery.close()
    mine, numbers = ConfinedGallery(gallery, MINE), count(1_000_000)
    part = query_part(
        query.contributions, query.bias, np.ones(model.spec.positions, np.float32), model.spec.grid
    )
    done, seen, written, refused = 0, set[int](), 0, 0
    with closing(Follower(gallery, seconds=0.001)), moving(gallery.path) as is_moving:
        end = time.monotonic() + seconds
        while done < reads or time.monotonic() < end or not (len(seen) > 2 and written and refused):
            assert is_moving()
            with suppress(NotFoundError):
                read = mine.read(lambda view: numbers_read(view, part))
                assert len(read) == 1
                seen |= read
            done += 1
            if done % 10:
                continue
            try:
                with mine.writing() as writer:
                    (added,) = writer.add([(MINE, [revision(model.spec, next(numbers), "a")])])
                    assert "'b'" not in "".join(map(str, added.refused.values()))
                    refused += len(added.refused)
                    written += 1 if added.refused else writer.delete([ID])
            except LockedError:
                continue
            finally:
                gallery.close()
    assert len(seen) > 2 and written and refused


@contextmanager
def moving(path: Path) -> Iterator[Callable[[], bool]]:
    """Another process that moves the image; gives whether it still does."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    child = context.Process(target=move_between_cameras, args=(path, stop))
    child.start()
    try:
        yield child.is_alive
    finally:
        stop.set()
        child.join(60)
    assert child.exitcode == 0
