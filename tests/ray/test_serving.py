"""A server whose searches shards on a Ray cluster answer gives the answers of one without."""

import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from server_process import ServerProcess
from tests.ray.conftest import People, serving_shards

from partlens.client import (
    Client,
    Filter,
    GalleryImageId,
    Mark,
    QueryRegion,
    RequestError,
    SearchAnswer,
    Upload,
)
from partlens.explainer.model import MetricModel
from partlens.explainer.starter import model_folder
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.erasure import erase
from partlens.indexer.indexing import index_images
from partlens.indexer.sources import Listing
from partlens.testing.people import files_of

# A cluster takes half a minute to start, and longer on a busy machine.
pytestmark = pytest.mark.timeout(400)
SOON = 30.0
QUESTIONS: Mapping[str, Mapping[str, Any]] = {
    "all": {},
    "whole": {"score": "whole"},
    "part": {"score": "part"},
    "no score map": {"maps": ("overall", "regions")},
    "filter": {"where": Filter(cameras=["b"])},
    "nobody": {"where": Filter(tracks=["nobody"])},
    "groups": {"group_by": "track"},
    "groups of a camera": {"group_by": "track", "where": Filter(exclude_cameras=["a"])},
    "thumbnails": {"thumbnails": True},
    "identical": {"exclude_identical": True},
}


def client_of(server: ServerProcess, people: People, token: str = "all") -> Client:
    return Client(server.address, 60.0, people.credentials[token])


@pytest.fixture
def both(
    people: People, embedded: ServerProcess, sharded: ServerProcess
) -> Iterator[tuple[Client, Client]]:
    with client_of(embedded, people) as one, client_of(sharded, people) as other:
        yield one, other


def require_same(found: SearchAnswer, expected: SearchAnswer) -> None:
    assert [one.id for one in found.hits] == [one.id for one in expected.hits]
    for one, other in zip(found.hits, expected.hits, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-6)
        assert one.box == other.box and one.thumbnail == other.thumbnail
        assert (one.group, one.others_in_group) == (other.group, other.others_in_group)
        assert one.image == other.image
        for name in ("map", "overall_maps", "region_maps"):
            maps = (getattr(one, name), getattr(other, name))
            mine, theirs = (each if name != "map" else [each] for each in maps)
            assert len(mine) == len(theirs)
            for a, b in zip(mine, theirs, strict=True):
                assert (a is None) == (b is None)
                if a is not None:
                    np.testing.assert_allclose(a.values, b.values, atol=1e-6)


def test_the_log_names_what_serve_delete_removes(sharded: ServerProcess) -> None:
    line = re.search(r"(\d+) shards: ([^\"]*)", sharded.log.read_text())
    assert line is not None
    names = line[2].split(", ")
    assert len(set(names)) == int(line[1]) > 0
    assert all(re.fullmatch(r"partlens-\S+-\d+", name) for name in names)


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_are_the_same(both: tuple[Client, Client], people: People, question: str) -> None:
    image = people.images[5]
    for part in list(image.parts.values())[:2]:
        asked = {"page_size": 48, **QUESTIONS[question]}
        expected, found = (client.search_regions(image.path, part, **asked) for client in both)
        require_same(found, expected)
        assert (expected.shards_ok, expected.shards_total) == (1, 1)
        assert (found.shards_ok, found.shards_total, found.is_partial) == (2, 2, False)


@pytest.mark.long
@pytest.mark.parametrize("count", [1, 4])
def test_answers_are_the_same_with_another_number_of_shards(
    people: People, embedded: ServerProcess, count: int, tmp_path: Path
) -> None:
    image = people.images[5]
    part = next(iter(image.parts.values()))
    with (
        contextmanager(serving_shards)(people, count, tmp_path) as server,
        client_of(embedded, people) as alone,
        client_of(server, people) as sharded,
    ):
        for question in QUESTIONS.values():
            asked = {"page_size": 48, **question}
            expected, found = (
                client.search_regions(image.path, part, **asked) for client in (alone, sharded)
            )
            require_same(found, expected)
            assert (found.shards_ok, found.shards_total) == (count, count)
        whole = alone.search_regions(image.path, part, page_size=48)
        pages = sharded.search_pages(image.path, part, top=48, page_size=11)
        assert [hit.id for page in pages for hit in page.hits] == [hit.id for hit in whole.hits]


def test_feedback_and_excluded_regions(both: tuple[Client, Client], people: People) -> None:
    first, second = people.images[0], people.images[9]
    (one, *_), (other, *_) = list(first.parts.values()), list(second.parts.values())
    regions = [QueryRegion(one), QueryRegion(other, 1, exclude=True)]
    marks = [
        Mark(GalleryImageId(people.images[20].id), about=0),
        Mark(GalleryImageId(people.images[30].id), unlike=True, about=0),
    ]
    expected, found = (
        client.search_regions([first.path, second.path], regions, marks=marks) for client in both
    )
    require_same(found, expected)


def test_pages_join(both: tuple[Client, Client], people: People) -> None:
    image = people.images[3]
    part = next(iter(image.parts.values()))
    whole = both[0].search_regions(image.path, part, page_size=48)
    pages = list(both[1].search_pages(image.path, part, top=48, page_size=7))
    assert len(pages) == 7
    assert [hit.id for page in pages for hit in page.hits] == [hit.id for hit in whole.hits]


def test_a_confined_caller_finds_what_it_may_see(
    embedded: ServerProcess, sharded: ServerProcess, people: People
) -> None:
    image = people.images[3]
    part = next(iter(image.parts.values()))
    answers = list[SearchAnswer]()
    for server in (embedded, sharded):
        with client_of(server, people, "a") as client:
            answers.append(client.search_regions(image.path, part, page_size=48))
    require_same(answers[1], answers[0])
    assert {hit.image.metadata.camera for hit in answers[1].hits} == {"a"}


def test_an_error_is_that_of_a_server_without_shards(
    both: tuple[Client, Client], people: People
) -> None:
    texts = list[str]()
    for client in both:
        with pytest.raises(RequestError) as caught:
            client.search_regions(people.images[0].path, [])
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def wait_until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not met():
        assert time.monotonic() < end, f"not within {SOON} s"
        time.sleep(0.05)


def test_commits_of_another_process_are_found_and_deleted_images_no_longer(
    both: tuple[Client, Client], people: People
) -> None:
    """Found by searches and by standing queries."""
    alone, sharded = both
    image = people.images[7]
    part = next(iter(image.parts.values()))

    def is_found() -> bool:
        hits = sharded.search_regions(image.path, part, page_size=48).hits
        return "new" in {hit.id for hit in hits}

    query = sharded.create_standing_query("new ones", image.path, part, threshold=-2)
    assert alone.upsert_image(Upload("new", image.path)).committed
    wait_until(is_found)
    matches = sharded.watch_matches([query.id], after_revision=0, deadline=SOON)
    assert next(matches).hit.id == "new"
    require_same(*(client.search_regions(image.path, part) for client in both))
    assert alone.delete_images(["new"]) == 1
    wait_until(lambda: not is_found())
    require_same(*(client.search_regions(image.path, part) for client in both))
    sharded.delete_standing_query(query.id)


@pytest.mark.long
def test_erased_images_leave_the_folders_of_all_shards(people: People, tmp_path: Path) -> None:
    """By the bytes of the folders. The gallery is a copy that no server writes to."""
    other = replace(people, folder=tmp_path)
    shutil.copytree(people.gallery, other.gallery)
    image = people.images[8]
    part = next(iter(image.parts.values()))
    ids = [f"to-be-erased-{number}" for number in range(12)]  # of several blocks

    def shards_that_keep_some() -> set[str]:
        files = (path for path in other.scratch.rglob("*") if path.is_file())
        return {
            path.relative_to(other.scratch).parts[1]
            for path in files
            if b"to-be-erased" in path.read_bytes()
        }

    with (
        contextmanager(serving_shards)(other, 2, other.scratch) as server,
        client_of(server, people) as client,
    ):

        def found() -> set[str]:
            hits = client.search_regions(image.path, part, page_size=100).hits
            return {hit.id for hit in hits} & set(ids)

        query = client.create_standing_query("all", image.path, part, threshold=-2)
        doomed = [replace(image, id=id) for id in ids]
        with Gallery.open(other.gallery) as gallery:
            index_images(gallery, MetricModel.load(model_folder()), Listing(files_of(doomed)))
        wait_until(lambda: found() == set(ids))
        wait_until(lambda: shards_that_keep_some() == {"0-of-2", "1-of-2"})
        assert next(client.watch_matches([query.id], after_revision=0, deadline=SOON)).hit.id in ids
        assert erase(other.gallery, ids).gone
        wait_until(lambda: not found() and not shards_that_keep_some())


def test_health_says_that_every_shard_answers(sharded: ServerProcess, people: People) -> None:
    with client_of(sharded, people) as client:
        assert client.problems() == ()


def test_the_log_of_the_server_holds_no_token_of_the_cluster(sharded: ServerProcess) -> None:
    assert not re.search(r"[0-9a-f]{48}", sharded.log.read_text())
