"""A token attacks a locked server, and another token is served as before.

Each test prints its figures (`pytest tests/hostile -s`); PARTLENS_TEST_LONG=1 makes the attacks
larger.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from served import DEADLINE, picture
from tests.hostile import attacks
from tests.hostile.harness import Figures, Locked, locked, lost, metadata, watched

from partlens.v1 import gallery_service_pb2 as gallery_pb

LONG = os.environ.get("PARTLENS_TEST_LONG") == "1"
MEMORY = 700 * 2**20
"""What an attack may add to the server's memory at most: the sum of the limits set below, the
arenas of its threads and the model's."""
FIRST_SECONDS = 1.0
_IMAGE = gallery_pb.GetImageRequest(id="00001").SerializeToString()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    settings = {
        "limits.first_message_seconds": FIRST_SECONDS,
        "limits.calls_per_second": 1000,
        "limits.burst_calls": 1000,
        "limits.upload_bytes": 64 * 2**20,
    }
    options = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    with locked(tmp_path_factory.mktemp("hostile"), *options) as running:
        yield running


def require_unharmed(figures: Figures) -> None:
    """Raise unless the victim was answered and the server holds what it promises."""
    assert not figures.refused and figures.get_image and figures.search
    assert figures.internal == 0 and figures.lost == 0
    assert figures.peak < figures.before + MEMORY


REFUSED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "50,000 conditions": (attacks.SEARCH, lambda: attacks.conditions(50_000), "filter.attributes"),
    "corners": (attacks.SEARCH, lambda: attacks.corners(32, 10_000), "points"),
    "200,000 exclude_ids": (attacks.SEARCH, lambda: attacks.excluded(200_000), "exclude_ids"),
    "500,000 ids": (attacks.DELETE, lambda: attacks.deleted(500_000), "ids"),
    "empty regions": (
        attacks.CREATE,
        lambda: attacks.empty_regions(10_000_000 if LONG else 2_000_000),
        "regions",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_message_with_too_many_values_is_refused_at_once(server: Locked, name: str) -> None:
    path, make, field = REFUSED[name]
    message = make()
    async with watched(server, name) as figures, server.channel() as channel:
        for _ in range(4):
            await figures.call(channel, server.attacker, path, message)
    assert figures.codes == {"INVALID_ARGUMENT": 4}
    assert all(field in told and "at most" in told for told in figures.details)
    require_unharmed(figures)


async def test_the_largest_messages_allowed_leave_room_for_others(server: Locked) -> None:
    largest = [
        (attacks.SEARCH, attacks.conditions(256)),
        (attacks.SEARCH, attacks.corners(1, 8000)),
        (attacks.SEARCH, attacks.excluded(8000)),
        (attacks.DELETE, attacks.deleted(8000)),
    ]
    async with watched(server, "largest messages") as figures, server.channel() as channel:
        for _ in range(5 if LONG else 1):
            await asyncio.gather(
                *(figures.call(channel, server.attacker, *one) for one in largest * 4)
            )
    # No image has the attributes that are named.
    assert set(figures.codes) <= {"OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
    require_unharmed(figures)


async def test_names_of_attributes_leave_nothing_behind(server: Locked) -> None:
    count = 300 if LONG else 40
    messages = [attacks.conditions(32, 32 * n) for n in range(count)]
    async with watched(server, "names") as figures, server.channel() as channel:
        for message in messages:
            await figures.call(channel, server.attacker, attacks.SEARCH, message)
    assert figures.codes == {"INVALID_ARGUMENT": count}
    require_unharmed(figures)


async def test_calls_that_never_send_their_request_end(server: Locked) -> None:
    async with watched(server, "unsent") as figures, server.channel() as channel:
        await _held(figures, channel, server, attacks.GET, 96)
    assert figures.codes == {"ABORTED": 64, "RESOURCE_EXHAUSTED": 32}
    require_unharmed(figures)


async def _held(
    figures: Figures, channel: grpc.aio.Channel, server: Locked, path: str, count: int
) -> None:
    """Begins calls, sends nothing, and waits until the server ends them."""

    async def hold() -> None:
        figures.callers += 1
        call: Any = channel.stream_stream(path)(
            timeout=DEADLINE, metadata=metadata(server.attacker)
        )
        figures.codes[(await call.code()).name] += 1

    await asyncio.gather(*(hold() for _ in range(count)))


@pytest.mark.parametrize("path", [attacks.UPSERT, attacks.WATCH])
async def test_streams_of_one_token_leave_room_for_others(server: Locked, path: str) -> None:
    """Twice as many as the server allows, in several connections; each that is let in is held."""
    most = 256 if path == attacks.UPSERT else 64
    async with watched(server, path) as figures:
        channels = [server.channel() for _ in range(6)]
        for n in range(2 * most):
            figures.callers += 1
            begin: Any = channels[n % len(channels)].stream_stream(path)
            begin(timeout=DEADLINE, metadata=metadata(server.attacker))
        async with server.channel() as channel:
            ask: Any = channel.stream_stream(path)
            call = ask(timeout=DEADLINE, metadata=metadata(server.victim))
            if path == attacks.UPSERT:
                upload = gallery_pb.UpsertImagesRequest(id="victim", data=picture(1))
                await call.write(upload.SerializeToString())
                read = await call.read()
                assert isinstance(read, bytes)
                answer = gallery_pb.UpsertImagesResponse.FromString(read)
                assert answer.HasField("committed")
                figures.lost = await lost(server, ["victim"])
            else:
                await call.write(b"")
                assert not call.done()
            call.cancel()
        for one in channels:
            await one.close()
    require_unharmed(figures)


async def test_uploads_of_much_text_are_refused(server: Locked) -> None:
    messages = list(attacks.long_uris(4, 20_000_000))
    async with watched(server, "long uris") as figures, server.channel() as channel:
        streams = (figures.upload(channel, server.attacker, messages) for _ in range(4))
        assert not any(await asyncio.gather(*streams))
    require_unharmed(figures)


async def test_uploads_of_large_pictures_leave_room_for_reads(server: Locked) -> None:
    count = 100 if LONG else 6
    messages = list(attacks.large_pictures(count, 5000, 4000))
    async with watched(server, "20 megapixels") as figures, server.channel() as channel:
        streams = (figures.upload(channel, server.attacker, messages[n::3]) for n in range(3))
        answers = [one for some in await asyncio.gather(*streams) for one in some]
        figures.lost = await lost(server, [one.id for one in answers if one.HasField("committed")])
    assert len(answers) == count
    require_unharmed(figures)


async def test_connections_beyond_the_limit_are_closed_and_damage_nothing(server: Locked) -> None:
    host, _, port = server.process.address.rpartition(":")
    count = 1100 if LONG else 50
    async with watched(server, "idle connections") as figures:
        held = [await asyncio.open_connection(host, int(port)) for _ in range(count)]
        async with server.channel() as channel:
            await figures.call(channel, server.victim, attacks.GET, _IMAGE)
        for _, writer in held:
            writer.close()
    if not LONG:
        assert figures.codes == {"OK": 1}
    assert "DATA_LOSS" not in figures.codes
    require_unharmed(figures)


async def test_an_idle_stream_of_a_revoked_token_ends(server: Locked) -> None:
    """The last: afterwards the attacker has no token."""
    async with watched(server, "revoked") as figures, server.channel() as channel:
        calls: list[Any] = [
            channel.stream_stream(path)(metadata=metadata(server.attacker), timeout=DEADLINE)
            for path in (attacks.UPSERT, attacks.WATCH)
        ]
        await calls[1].write(b"")
        server.file.remove(server.attacker_id)
        assert [await call.code() for call in calls] == [grpc.StatusCode.UNAUTHENTICATED] * 2
    require_unharmed(figures)
