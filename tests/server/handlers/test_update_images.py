"""UpdateImages changes what its masks name of the metadata, and nothing else."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.server.conftest import DEADLINE, Running, picture, reached, settings, upserts

from partlens.client import (
    AccessError,
    AsyncClient,
    Box,
    Credentials,
    Filter,
    ImageUpdate,
    Metadata,
    Point,
    QueryRegion,
    Range,
    RequestError,
)
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.access import tokens
from partlens.server.access.token_file import TokenFile
from partlens.server.app import create_server
from partlens.v1 import gallery_service_pb2 as pb

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
async def client(filled: Running) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(filled.address, DEADLINE) as connected:
        yield connected


def stored(gallery: Gallery, id: str) -> list[bytes]:
    """The bytes of an image's row, of all that is no metadata."""
    gallery.refresh()
    names = ["id", "embedding", "bias", "contributions", "thumbnail"]
    table = gallery.view.version.read(names)
    row = table["id"].to_pylist().index(id)
    lists = [table[name].combine_chunks()[row] for name in names[1:4]]
    numbers = [one.values.to_numpy(zero_copy_only=False).tobytes() for one in lists]
    return [*numbers, table["thumbnail"][row].as_py()]


@pytest.mark.parametrize(
    ("update", "after"),
    [
        ({"camera": "gate"}, {"camera": "gate"}),
        ({"track": "t1", "captured_at": AT}, {"track": "t1", "captured_at": AT}),
        ({"attributes": {"hat": "red"}}, {"attributes": {"parity": "1", "hat": "red"}}),
        ({"attributes": {"parity": "x"}}, {"attributes": {"parity": "x"}}),
        ({"remove_attributes": ["parity", "nothing"]}, {"attributes": {}}),
        (
            {"clear": ["attributes"], "attributes": {"hat": "red"}},
            {"attributes": {"hat": "red"}},
        ),
        ({"clear": ["captured_at", "camera"]}, {"captured_at": None, "camera": ""}),
        ({"uri": "s3://moved/1.png"}, {"uri": "s3://moved/1.png"}),
    ],
)
async def test_what_is_named_changes_and_the_rest_stays(
    client: AsyncClient, gallery: Gallery, update: dict[str, Any], after: dict[str, Any]
) -> None:
    others = [one async for one in client.list_images(where=Filter(exclude_ids=["p001"]))]
    numbers, (before, thumbnail) = stored(gallery, "p001"), await client.get_image("p001")
    answer = await client.update_images([ImageUpdate("p001", **update)])
    assert (answer.updated, answer.unchanged) == (1, 0)
    assert not answer.unknown_ids and not answer.stale_ids
    changed, same_thumbnail = await client.get_image("p001")
    uri = after.pop("uri", before.uri)
    assert changed.metadata == Metadata(**{**vars(before.metadata), **after})
    assert (changed.uri, same_thumbnail) == (uri, thumbnail)
    assert changed.media_digest == before.media_digest and changed.revision > before.revision
    assert stored(gallery, "p001") == numbers
    assert others == [one async for one in client.list_images(where=Filter(exclude_ids=["p001"]))]
    again = await client.update_images([ImageUpdate("p001", **update)])
    assert (again.updated, again.unchanged) == (0, 1)
    assert (await client.get_image("p001"))[0].revision == changed.revision


async def test_a_batch_is_one_commit_and_names_what_it_skipped(client: AsyncClient) -> None:
    before = await client.get_gallery()
    revision = (await client.get_image("p002"))[0].revision
    answer = await client.update_images(
        [
            ImageUpdate("nobody", camera="x"),
            ImageUpdate("p001", camera="x"),
            ImageUpdate("p002", camera="x", expected_revision=revision),
            ImageUpdate("p003", camera="x", expected_revision=revision + 7),
            ImageUpdate("p004", camera="cam0"),
        ]
    )
    assert (answer.updated, answer.unchanged) == (2, 1)
    assert (answer.unknown_ids, answer.stale_ids) == (["nobody"], ["p003"])
    assert answer.gallery_version == before.version + 1
    found = [one.id async for one in client.list_images(where=Filter(cameras=["x"]))]
    assert found == ["p001", "p002"]
    raced = await client.update_images([ImageUpdate("p002", track="t", expected_revision=revision)])
    assert raced.stale_ids == ["p002"]


MASK = "metadata.camera"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"update_mask": {"paths": ["id"]}}, "updates[1].update_mask.paths[0]"),
        ({"update_mask": {"paths": ["metadata.attributes.hat"]}}, "updates[1].update_mask"),
        ({}, "updates[1].update_mask"),
        ({"metadata": {"camera": "x"}}, "updates[1].update_mask"),
        (
            {"update_mask": {"paths": ["metadata"]}, "set_attributes": {"hat": "red"}},
            "updates[1].update_mask",
        ),
        (
            {"set_attributes": {"hat": "red"}, "remove_attributes": ["hat"]},
            "updates[1].remove_attributes",
        ),
        ({"set_attributes": {"": "red"}}, "updates[1].metadata.attributes"),
        (
            {"update_mask": {"paths": [MASK]}, "metadata": {"camera": "\0"}},
            "updates[1].metadata.camera",
        ),
        (
            {"set_attributes": {str(n): "" for n in range(257)}},
            "updates[1].metadata.attributes",
        ),
        ({"id": "p001", "set_attributes": {"hat": "red"}}, "updates[1].id"),
        ({"id": "", "set_attributes": {"hat": "red"}}, "updates[1].id"),
    ],
)
async def test_a_batch_with_an_invalid_update_changes_nothing(
    filled: Running, client: AsyncClient, wrong: dict[str, Any], field: str
) -> None:
    before = await client.get_gallery()
    good = pb.ImageUpdate(id="p001", set_attributes={"hat": "red"})
    request = pb.UpdateImagesRequest(updates=[good, pb.ImageUpdate(**{"id": "p002", **wrong})])
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await filled.gallery.UpdateImages(request, timeout=DEADLINE)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert field in (raised.value.details() or "")
    assert (await client.get_gallery()).version == before.version


@pytest.mark.parametrize(
    ("update", "message"),
    [
        (ImageUpdate("a"), "changes nothing"),
        (ImageUpdate("a", clear="camera"), "must be a list"),  # type: ignore[arg-type]
        (ImageUpdate("a", clear=["hat"]), "must be one of"),  # type: ignore[list-item]
        (ImageUpdate("a", attributes={"n": 3}), "must be a text"),  # type: ignore[dict-item]
        ("a", "must be an ImageUpdate"),
    ],
)
async def test_a_mistake_is_named_before_it_is_sent(
    client: AsyncClient, update: ImageUpdate, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        await client.update_images([update])


async def test_a_confined_token_changes_only_what_it_sees_and_keeps_it_in_sight(
    model: MetricModel, gallery: Gallery, tmp_path: Path
) -> None:
    file, log = TokenFile(tmp_path / "tokens.json"), tmp_path / "audit.jsonl"
    limits = settings(access={"tokens": file.path, "audit_log": log})
    ours, text = tokens.create("ours", frozenset({"ingest", "search"}), frozenset({"cam1"}))
    everyone, all_text = tokens.create("all", frozenset({"ingest", "search"}), frozenset())
    file.add(ours)
    file.add(everyone)
    async with reached(create_server(model, gallery, limits)) as running:
        bearer = (("authorization", f"Bearer {all_text}"),)
        call = running.gallery.UpsertImages(iter(upserts(4)), timeout=DEADLINE, metadata=bearer)
        assert all([answer.HasField("committed") async for answer in call])
        async with AsyncClient(running.address, DEADLINE, Credentials(token=text)) as client:
            both = [ImageUpdate("p000", track="t"), ImageUpdate("p001", track="t")]
            answer = await client.update_images(both)
            assert (answer.updated, answer.unknown_ids) == (1, ["p000"])
            with pytest.raises(AccessError, match=r"updates\[1\].*'cam0'"):
                await client.update_images(
                    [ImageUpdate("p001", track="u"), ImageUpdate("p003", camera="cam0")]
                )
            image, _ = await client.get_image("p001")
            assert image.metadata.track == "t"
    written = [json.loads(line) for line in log.read_text().splitlines()]
    ended = [
        one for one in written if one["method"] == "UpdateImages" and one["outcome"] != "BEGUN"
    ]
    assert [one["outcome"] for one in ended] == ["OK", "PERMISSION_DENIED"]
    assert ended[0]["updated"] == 1 and all(one["query"] for one in ended)


async def test_a_standing_query_scores_an_updated_image_again(client: AsyncClient) -> None:
    """It may pass the filter only now; an update that changes nothing is no change."""
    where = Filter(attributes={"speed": Range(gte=10)})
    made = await client.create_standing_query(
        "fast", [picture(3)], [QueryRegion(Box(4, 2, 25, 20))], -10, where=where
    )
    for attributes in ({"speed": "9"}, {"speed": "12"}, {"speed": "12"}):
        await client.update_images([ImageUpdate("p003", attributes=attributes)])
    await client.update_images([ImageUpdate("p003", track="t")])
    found = []
    async for match in client.watch_matches(
        after_revision=made.created_revision, deadline=DEADLINE
    ):
        found.append((match.hit.id, match.hit.image.metadata.attributes["speed"]))
        break
    assert found == [("p003", "12")]


async def test_an_attribute_that_no_image_has_is_an_error_that_names_those_there_are(
    client: AsyncClient,
) -> None:
    region = [QueryRegion(Point(20, 20))]
    for where in (
        Filter(attributes={"hta": "red"}),
        Filter(any_of=[Filter(none_of=[Filter(attributes={"hta": Range(gt=1)})])]),
    ):
        for ask in (
            client.get_facets(where),
            anext(client.list_images(where=where)),
            client.search_regions([picture(0)], region, where=where),
            client.report_search([picture(0)], region, where=where),
        ):
            with pytest.raises(RequestError, match=r"no image has.*'hta'.*'parity'") as raised:
                await ask
            assert raised.value.reason == "ATTRIBUTE_UNKNOWN" and "filter" in raised.value.field
    with pytest.raises(RequestError, match=r"no image has.*'hta'") as raised:
        await client.search_regions([picture(0)], region, group_by="attribute:hta")
    assert raised.value.field == "group_by"
    made = await client.create_standing_query(
        "later", [picture(0)], region, 1, where=Filter(attributes={"hta": "red"})
    )
    assert made.id
    await client.delete_images([f"p{i:03}" for i in range(12)])
    assert (await client.get_facets(Filter(attributes={"hta": "red"}))).images == 0
