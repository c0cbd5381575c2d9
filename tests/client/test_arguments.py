"""Every argument of every method and option is checked before anything is sent.

Nothing listens where these clients connect: what passes the checks ends in UnavailableError.
"""

import inspect
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from served import Served, picture

from partlens.cli.main import main
from partlens.client import (
    AsyncClient,
    Box,
    Client,
    Filter,
    GalleryImageId,
    ImageUpdate,
    Mark,
    Mask,
    Metadata,
    PairSelection,
    Point,
    Polygon,
    QueryId,
    QueryRegion,
    RequestError,
    UnavailableError,
    Upload,
)

TARGET = "127.0.0.1:1"
BOX = Box(0, 0, 5, 5)
# What they are given here is not what their types allow.
AnyBox: Any = Box
AnyPoint: Any = Point
AnyPolygon: Any = Polygon
AnyMask: Any = Mask
AnyId: Any = GalleryImageId
AnyRegion: Any = QueryRegion
AnyFilter: Any = Filter
AnyMark: Any = Mark
AnyMetadata: Any = Metadata
AnyUpload: Any = Upload
AnyPairs: Any = PairSelection
NAN, INF, HUGE = float("nan"), float("inf"), 10**400
NOT_NUMBERS: list[Any] = ["5", b"5", True, [1], object(), 1j, NAN, INF, -INF, HUGE]
NOT_SECONDS: list[Any] = [*NOT_NUMBERS, 0, -1, -1e-9, 1e300, np.float32("nan")]
NOT_COUNTS: list[Any] = [*NOT_NUMBERS, -1, 1.5, 2.0, None, np.int64(-1)]
NOT_TEXTS: list[Any] = [None, 5, b"a", ["a"], "\ud800"]
NOT_LISTS_OF_TEXTS: list[Any] = [
    "cam",
    b"cam",
    5,
    None,
    {"cam": "a"},
    [5],
    [None],
    [b"a"],
    ["\ud800"],
]
NOT_PICTURES: list[Any] = [
    "no-such-picture.png",
    Path("no-such-picture.png"),
    "/",
    "https://example.org/a.png",
    "a\0b",
    "\ud800",
    None,
    5,
    [b"a"],
    BytesIO(b"a"),
    np.zeros((4, 4, 4), np.uint8),
    np.zeros((4, 4, 3), np.int64),
    np.full((4, 4, 3), 255.0),
    np.zeros((0, 4, 3), np.uint8),
    Image.new("RGB", (0, 4)),
    AnyId(5),
    QueryId("\ud800"),
]
NOT_REGIONS: list[Any] = [
    None,
    (1, 2, 3, 4),
    *(
        AnyBox(*(bad if i == at else 1.0 for i in range(4)))
        for at in range(4)
        for bad in (NAN, INF, "1")
    ),
    *(AnyPoint(bad, 1.0) for bad in NOT_NUMBERS),
    *(AnyPoint(1.0, bad) for bad in NOT_NUMBERS),
    *(AnyPoint(1.0, 1.0, bad) for bad in (None, 1, "yes")),
    AnyPolygon(((0, 0), (1, NAN), (1, 1))),
    AnyPolygon(((0, 0), (1,), (1, 1))),
    AnyPolygon((0, 1, 2)),
    AnyPolygon(5),
    AnyMask(np.ones((2, 2, 2), np.bool_)),
    AnyMask(np.ones((2, 2))),
    AnyMask([[True]]),
]
NOT_QUERY_REGIONS: list[Any] = [
    *NOT_REGIONS,
    *(AnyRegion(bad) for bad in NOT_REGIONS),
    *(AnyRegion(BOX, image=bad) for bad in (*NOT_COUNTS, 2**32)),
    *(AnyRegion(BOX, weight=bad) for bad in (*NOT_NUMBERS, 0, -1, None)),
    *(AnyRegion(BOX, exclude=bad) for bad in (None, 1, "yes")),
]
NOT_MARKS: list[Any] = [
    GalleryImageId("a"),
    *(AnyMark(bad) for bad in NOT_PICTURES),
    *(AnyMark(b"a", region=bad) for bad in NOT_REGIONS if bad is not None),
    *(AnyMark(b"a", about=bad) for bad in (*NOT_COUNTS, 2**32) if bad is not None),
    *(AnyMark(b"a", weight=bad) for bad in (*NOT_NUMBERS, -1) if bad is not None),
    *(AnyMark(b"a", unlike=bad) for bad in (None, 1, "yes")),
]
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
EARLY = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
LATE = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-14)))
NOT_TIMES: list[Any] = ["2026-05-01", 5, datetime(2026, 5, 1), EARLY, LATE]
NOT_FILTERS: list[Any] = [
    5,
    {"cameras": ["a"]},
    *(
        AnyFilter(**{name: bad})
        for name in ("cameras", "tracks", "exclude_ids", "exclude_cameras", "exclude_media", "ids")
        for bad in NOT_LISTS_OF_TEXTS
    ),
    *(AnyFilter(attributes=bad) for bad in ("a=b", ["a"], {"a": 5}, {5: "a"}, None)),
    *(AnyFilter(captured_after=bad) for bad in NOT_TIMES),
    *(AnyFilter(captured_before=bad) for bad in NOT_TIMES),
    AnyFilter(
        captured_after=datetime(2026, 1, 2, tzinfo=UTC),
        captured_before=datetime(2026, 1, 1, tzinfo=UTC),
    ),
]
# What each argument refuses, whichever method has it.
HOSTILE: dict[str, list[Any]] = {
    "deadline": NOT_SECONDS,
    "gallery": [bad for bad in NOT_TEXTS if bad is not None],
    "revision_gallery": NOT_TEXTS,
    "alias": NOT_TEXTS,
    "timeout": [*NOT_SECONDS, None],
    "page_size": [*NOT_COUNTS, 2**32],
    "max_side": [*NOT_COUNTS, 2**32],
    "values": [*NOT_COUNTS, 2**32],
    "top": [*NOT_COUNTS, 0],
    "threshold": [*NOT_NUMBERS, None],
    "after_revision": [bad for bad in (*NOT_COUNTS, 2**64) if bad is not None],
    "thumbnails": [None, 1, "yes"],
    "exclude_identical": [None, 1, "yes"],
    "allow_partial": [None, 1, "yes"],
    "marks": ["a", 5, None, *([bad] for bad in NOT_MARKS)],
    "score": ["best", None, 5, ["whole"]],
    "maps": ["score", ["all"], [None], 5, None],
    "page_token": NOT_TEXTS,
    "prefix": NOT_TEXTS,
    "group_by": NOT_TEXTS,
    "name": NOT_TEXTS,
    "title": NOT_TEXTS,
    "format": ["odt", None, 5, ["html"]],
    "id": NOT_TEXTS,
    "ids": NOT_LISTS_OF_TEXTS,
    "updates": [None, 5, "a", ImageUpdate("a", camera="b"), [None], [ImageUpdate("a")]],
    "where": NOT_FILTERS,
    "image": NOT_PICTURES,
    "query": NOT_PICTURES,
    "retrieved": NOT_PICTURES,
    "images": ["no-such-picture.png", 5, None, {"a": b"picture"}],
    "query_images": [[bad] for bad in NOT_PICTURES],
    "regions": ["0,0,5,5", 5, None, *([bad] for bad in NOT_REGIONS)],
    "query_regions": ["0,0,5,5", 5, None, *([bad] for bad in NOT_REGIONS)],
    "retrieved_regions": ["0,0,5,5", 5, None, *([bad] for bad in NOT_REGIONS)],
    "paused": [1, "yes", 0],
    "pairs": [
        5,
        "query",
        *(AnyPairs(side=bad) for bad in ("left", None, 1, ["query"])),
        *(AnyPairs(positions=bad) for bad in ("12", 5, None, {1: 2})),
        *(AnyPairs(positions=[bad]) for bad in (*NOT_COUNTS, 2**32)),
    ],
    "regions_to_find": [[bad] for bad in NOT_QUERY_REGIONS],
}
USUAL: dict[str, Any] = {
    "alias": "people",
    "gallery": "people-v2",
    "images": [b"picture"],
    "regions": [QueryRegion(BOX)],
    "top": 5,
    "query": b"picture",
    "retrieved": b"picture",
    "image": b"picture",
    "id": "a",
    "ids": ["a"],
    "name": "a",
    "updates": [ImageUpdate("a", camera="b")],
    "threshold": 1.0,
}
# Regions of these have neither image nor weight.
PLAIN = ("describe_query", "explain_pair")
UPLOADING = ("upsert_images", "upsert_stream")
# The one image that these take.
IMAGES: dict[str, Any] = {
    "upsert_image": Upload("a", b"picture"),
    "get_picture": GalleryImageId("a"),
}


def methods() -> Iterator[tuple[str, list[str]]]:
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        parameters = list(inspect.signature(method).parameters)[1:]
        # The methods that send a message are not for what a person writes.
        if not name.startswith(("_", "send_")) and parameters:
            yield name, parameters


CASES = [(name, parameter) for name, parameters in methods() for parameter in parameters]


def refused(method: str, parameter: str) -> list[Any]:
    """Values of an argument that cannot be sent."""
    found = list(HOSTILE[parameter])
    if method == "update_standing_query":  # what is not given stays as it is
        found = [bad for bad in found if bad is not None or parameter == "id"]
    if parameter == "images" and method not in UPLOADING:
        found += HOSTILE["query_images"]
    elif parameter == "images":
        found += [b"picture", Upload("a", b"picture")]
    if parameter == "regions" and method not in PLAIN:
        found = ["0,0,5,5", 5, None, *HOSTILE["regions_to_find"]]
    return found


def arguments(method: str, **given: Any) -> dict[str, Any]:
    needed = inspect.signature(getattr(Client, method)).parameters
    usual = {key: value for key, value in USUAL.items() if key in needed}
    if method == "set_gallery_alias":
        usual["gallery"] = "b"
    if method in PLAIN:
        usual.pop("regions", None)
    if method in UPLOADING:
        usual["images"] = [Upload("a", b"picture")]
    if method in IMAGES:
        usual["image"] = IMAGES[method]
    return {**usual, **given}


def call(client: Client, method: str, **given: Any) -> None:
    answer = getattr(client, method)(**arguments(method, **given))
    if isinstance(answer, Iterator):
        next(answer, None)


async def call_async(client: AsyncClient, method: str, **given: Any) -> None:
    answer = getattr(client, method)(**arguments(method, **given))
    if isinstance(answer, AsyncIterator):
        await anext(answer, None)
    else:
        await answer


@pytest.mark.parametrize(("method", "parameter"), CASES)
async def test_what_cannot_be_sent_is_refused_by_name(method: str, parameter: str) -> None:
    with Client(TARGET, 5.0) as client:
        for bad in refused(method, parameter):
            with pytest.raises(RequestError, match=parameter) as caught:
                call(client, method, **{parameter: bad})
            assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    async with AsyncClient(TARGET, 5.0) as other:
        for bad in refused(method, parameter):
            with pytest.raises(RequestError, match=parameter):
                await call_async(other, method, **{parameter: bad})


@pytest.mark.parametrize("method", sorted({method for method, _ in CASES}))
async def test_usual_arguments_reach_the_connection(method: str) -> None:
    timeout = {"timeout": 0.1} if method == "wait_until_ready" else {"deadline": np.float32(5)}
    with Client(TARGET, 5) as client, pytest.raises(UnavailableError):
        call(client, method, **timeout)
    async with AsyncClient(TARGET, float(np.float32(5))) as other:
        with pytest.raises(UnavailableError):
            await call_async(other, method, **timeout)


@pytest.mark.parametrize("deadline", [*NOT_SECONDS, None], ids=lambda value: f"{value!r:.20}")
def test_a_client_wants_a_finite_deadline(deadline: Any) -> None:
    for make in (Client, AsyncClient):
        with pytest.raises(RequestError, match="deadline must be a number of seconds above 0"):
            make(TARGET, deadline)


NOT_UPLOADS: list[Any] = [
    b"picture",
    None,
    *(AnyUpload(bad, b"x") for bad in NOT_TEXTS),
    *(AnyUpload("a", bad) for bad in ("x.png", None, 5)),
    *(AnyUpload("a", b"x", uri=bad) for bad in NOT_TEXTS),
    *(AnyUpload("a", b"x", metadata=AnyMetadata(captured_at=bad)) for bad in NOT_TIMES),
    AnyUpload("a", b"x", metadata=AnyMetadata(camera=5)),
    AnyUpload("a", b"x", metadata=AnyMetadata(attributes={"a": 5})),
    AnyUpload("a", b"x", metadata=None),
]


class OwnError(Exception):
    pass


def failing(error: Exception) -> Iterator[Upload]:
    yield Upload("sent", picture(1))
    raise error


async def test_images_before_one_that_cannot_be_sent_are_answered(served: Served) -> None:
    with Client(served.target) as client:
        for bad in NOT_UPLOADS:
            answers = client.upsert_stream([Upload("sent", picture(1)), bad])
            assert next(answers).committed
            with pytest.raises(RequestError):
                next(answers)
        answers = client.upsert_stream(failing(OwnError("disk")))
        assert next(answers).committed
        with pytest.raises(OwnError, match="disk"):
            next(answers)
    async with AsyncClient(served.target) as other:
        theirs = other.upsert_stream(failing(OwnError("disk")))
        assert (await anext(theirs)).committed
        with pytest.raises(OwnError, match="disk"):
            await anext(theirs)
        assert await other.delete_images(["sent"]) == 1


Words = tuple[str, ...]


def commands(group: click.Group, path: Words = ()) -> Iterator[tuple[Words, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif command is not None:
            yield (*path, name), command


def numeric() -> Iterator[tuple[Words, str]]:
    """Options of the client's and the server's commands that take a number."""
    for path, command in commands(main):
        module = getattr(command.callback, "__module__", "")
        if module.startswith(("partlens.client", "partlens.server")):
            for one in command.params:
                if isinstance(one.type, click.types.FloatParamType | click.types.IntParamType):
                    yield path, one.opts[0]


NUMERIC = list(numeric())


@pytest.mark.parametrize(("path", "option"), NUMERIC, ids=lambda value: str(value))
def test_a_number_that_is_none_is_a_usage_error(path: Words, option: str) -> None:
    for text in ("nan", "inf", "-inf", "1e999", "many", "", "0x", "--"):
        result = CliRunner().invoke(main, [*path, f"{option}={text}"])
        assert result.exit_code == 2 and option in result.output, (text, result.output)


def test_the_walk_sees_the_options_of_both_parts() -> None:
    assert {("search",), ("health",), ("token", "create"), ("bench", "serve")} <= {
        p for p, _ in NUMERIC
    }


FOUND = ["search", "--gallery-id", "a", "--server", TARGET]
SAVED = ["standing", "create", "--gallery-id", "a", "--name", "n", "--server", TARGET]
USAGE = [
    *([*FOUND, "--region", text] for text in (
        "nan,0,5,5", "0,inf,5,5", "0,0,0,5", "0,0,5,-5", "0,0,1e999,5", "0,0,5", "", "a,b,c,d",
        "0,0,5,5@nan", "0,0,5,5@inf", "0,0,5,5@0", "0,0,5,5@-1", "0,0,5,5@1e999", "0,0,5,5@e",
        "0:0,0,5,5", "2:0,0,5,5", "9" * 5000 + ":0,0,5,5",
    )),
    *([*FOUND, option, text]
      for option in ("--point", "--snap") for text in ("nan,1", "1", "1,2,3", "1,-inf")),
    *([*FOUND, "--whole", option, text]
      for option in ("--like", "--unlike")
      for text in ("", "a@-1", "a@nan", "a@inf", "a@1e999", "a@1.2.3", "a#xywh=1,2,3", "a#xywh=",
                   "a#xywh=0,0,0,5@1")),
    FOUND,
    *([*FOUND, "--polygon", text] for text in ("0,0,1,1", "0,0,1,1,2", "0,0,1,1,nan,2")),
    *([*FOUND, "--region", "0,0,5,5", "--top", text] for text in ("0", "-1", "1.5")),
    *([*FOUND, "--region", "0,0,5,5", option, text]
      for option in ("--captured-after", "--captured-before")
      for text in ("nan", "", "2026-13-01", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00")),
    [*FOUND, "--region", "0,0,5,5", "--attribute", "a"],
    *([*FOUND, "--region", "0,0,5,5", "--deadline", text] for text in ("0", "-1", "1e300")),
    *([*SAVED, "--region", "0,0,5,5", "--threshold", text] for text in ("nan", "inf", "")),
    *(["standing", "watch", "--after-revision", text] for text in ("-1", str(2**64))),
    [*FOUND, "--point", "1,1", "--captured-after", "2026-05-01T12:00+02:60"],
    [*FOUND, "--point", "1,1", "--captured-after", "2026-W18-5"],
    ["token", "create", "--days", "0"],
    ["token", "create", "--days", "9" * 20],
]  # fmt: skip


@pytest.mark.parametrize("command", USAGE, ids=lambda command: " ".join(command)[-60:])
def test_a_wrong_option_is_a_usage_error(command: list[str]) -> None:
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit) and "Error: " in result.output


def test_times_the_wrong_way_round_find_nothing_and_are_refused() -> None:
    swapped = ["--captured-after", "2026-05-02", "--captured-before", "2026-05-01"]
    result = CliRunner().invoke(main, [*FOUND, "--region", "0,0,5,5", *swapped])
    assert result.exit_code == 6 and "no image can match; swap them" in result.output


def test_the_largest_numbers_that_are_allowed_can_be_sent() -> None:
    most = ["--top", str(sys.maxsize), "--deadline", "31622400"]
    result = CliRunner().invoke(main, [*FOUND, "--region", "0,0,5,5@1e300", *most])
    assert result.exit_code == 3 and "nothing listens on this port" in result.output
