"""A lost read is asked again by gRPC; a write, and what a server answered, never is."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest

from partlens.client import (
    AsyncClient,
    Box,
    Client,
    DeadlineError,
    GalleryImageId,
    ImageUpdate,
    QueryRegion,
    ServerError,
    UnavailableError,
    Upload,
)
from partlens.client.decoding import activation_map, pair_matrix, query
from partlens.client.retries import READS
from partlens.v1 import (
    gallery_service_pb2,
    image_pb2,
    part_search_service_pb2,
    report_service_pb2,
    standing_query_service_pb2,
)

DEADLINE = 20.0
ATTEMPTS = 4
IMAGE, REGIONS = GalleryImageId("a"), [QueryRegion(Box(0, 0, 5, 5))]
Call = Callable[[Any], Any]
# Of both clients.
READING: dict[str, Call] = {
    "SearchRegions": lambda client: client.search_regions([IMAGE], REGIONS),
    "ExplainPair": lambda client: client.explain_pair(IMAGE, IMAGE),
    "DescribeQuery": lambda client: client.describe_query(IMAGE),
    "ReportSearch": lambda client: client.report_search([IMAGE], REGIONS),
    "ReportPair": lambda client: client.report_pair(IMAGE, IMAGE),
    "GetImage": lambda client: client.get_image("a"),
    "GetPicture": lambda client: client.get_picture(IMAGE),
    "GetFacets": lambda client: client.get_facets(),
    "ListImages": lambda client: client.list_images(),
    "GetGallery": lambda client: client.get_gallery(),
    "ListGalleries": lambda client: client.list_galleries(),
    "ListStandingQueries": lambda client: client.list_standing_queries(),
}
ONCE: dict[str, Call] = {
    "UpsertImages": lambda client: client.upsert_images([Upload("a", b"a"), Upload("b", b"b")]),
    "UpsertImage": lambda client: client.upsert_image(Upload("a", b"a")),
    "UpdateImages": lambda client: client.update_images([ImageUpdate("a", camera="b")]),
    "DeleteImages": lambda client: client.delete_images(["a"]),
    "SetGalleryAlias": lambda client: client.set_gallery_alias("a", "b"),
    "DeleteGalleryAlias": lambda client: client.delete_gallery_alias("a"),
    "CreateStandingQuery": lambda client: client.create_standing_query("", [IMAGE], REGIONS, 1),
    "UpdateStandingQuery": lambda client: client.update_standing_query("a", paused=True),
    "DeleteStandingQuery": lambda client: client.delete_standing_query("a"),
    "WatchMatches": lambda client: client.watch_matches(),
    "Check": lambda client: client.files_are_sound(),
}
# Of maps with one cell; answers to other methods may be empty.
MAP = image_pb2.ActivationMap(rows=1, cols=1, values=[0.0])
QUERY = image_pb2.DescribedQuery(rows=1, cols=1)
ANSWERS = {
    "ExplainPair": part_search_service_pb2.ExplainPairResponse(
        query_map=MAP,
        retrieved_map=MAP,
        query_map_with_bias=MAP,
        retrieved_map_with_bias=MAP,
        query=QUERY,
        retrieved=QUERY,
    ).SerializeToString(),
    "DescribeQuery": part_search_service_pb2.DescribeQueryResponse(query=QUERY).SerializeToString(),
}
SERVICES = [
    service
    for module in (
        part_search_service_pb2,
        gallery_service_pb2,
        report_service_pb2,
        standing_query_service_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
]


class Failing(grpc.GenericRpcHandler):
    """Every method of a server that loses calls before it answers.

    Args:
        losses: how many calls it loses.
        begins: whether it sends headers before it loses them, as a partlens server does.
    """

    def __init__(self, losses: int, *, begins: bool = False) -> None:
        self._losses, self._begins = losses, begins
        self.asked: list[str] = []
        self.address = ""

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Counts a call under the name of its method."""
        name = handler_call_details.method.rsplit("/", 1)[1]

        def answer(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            self.asked.append(name)
            if self._begins:
                context.send_initial_metadata((("x-request-id", "7"),))
            if len(self.asked) <= self._losses:
                context.abort(grpc.StatusCode.UNAVAILABLE, "lost")
            for _ in requests:
                pass
            yield ANSWERS.get(name, b"")

        return grpc.stream_stream_rpc_method_handler(answer)


@pytest.fixture
def serve() -> Iterator[Callable[[Failing], Failing]]:
    started: list[grpc.Server] = []
    with ThreadPoolExecutor(4) as threads:

        def start(failing: Failing) -> Failing:
            server = grpc.server(threads, options=[("grpc.max_receive_message_length", -1)])
            server.add_generic_rpc_handlers((failing,))
            failing.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            server.start()
            started.append(server)
            return failing

        try:
            yield start
        finally:
            for server in started:
                server.stop(0).wait(DEADLINE)


Serve = Callable[[Failing], Failing]


def ask(address: str, call: Call, deadline: float = DEADLINE) -> None:
    with Client(address, deadline) as client:
        answer = call(client)
        if isinstance(answer, Iterator):
            list(answer)


async def ask_async(address: str, call: Call, deadline: float = DEADLINE) -> None:
    async with AsyncClient(address, deadline) as client:
        answer = call(client)
        if isinstance(answer, AsyncIterator):
            _ = [one async for one in answer]
        else:
            await answer


def ask_in_asyncio(address: str, call: Call, deadline: float = DEADLINE) -> None:
    asyncio.run(ask_async(address, call, deadline))


Ask = Callable[..., None]
BOTH = pytest.mark.parametrize("ask", [ask, ask_in_asyncio], ids=["blocking", "asyncio"])


def test_every_read_of_the_contract_is_asked_again_and_nothing_else() -> None:
    known = {(service.full_name, method.name) for service in SERVICES for method in service.methods}
    reads = {
        one
        for one in known
        if one[1].startswith(("Search", "Explain", "Describe", "Report", "Get", "List"))
    }
    assert set(READS) == reads and len(READS) == len(reads)
    assert {name for _, name in known} | {"Check"} == {*READING, *ONCE}


@BOTH
@pytest.mark.parametrize("method", READING)
def test_a_read_that_is_lost_is_answered_all_the_same(serve: Serve, ask: Ask, method: str) -> None:
    server = serve(Failing(losses=ATTEMPTS - 1))
    ask(server.address, READING[method])
    assert server.asked == [method] * ATTEMPTS


@BOTH
def test_a_read_that_is_lost_each_time_names_the_server(serve: Serve, ask: Ask) -> None:
    server = serve(Failing(losses=100))
    with pytest.raises(UnavailableError, match=f"{server.address} was lost: lost"):
        ask(server.address, READING["GetGallery"])
    assert len(server.asked) == ATTEMPTS


@BOTH
@pytest.mark.parametrize("method", ONCE)
def test_everything_else_is_sent_once(serve: Serve, ask: Ask, method: str) -> None:
    server = serve(Failing(losses=100))
    with pytest.raises(UnavailableError, match=server.address):
        ask(server.address, ONCE[method])
    assert server.asked == [method]


@BOTH
def test_what_a_server_answered_is_the_callers_to_repeat(serve: Serve, ask: Ask) -> None:
    server = serve(Failing(losses=100, begins=True))
    with pytest.raises(UnavailableError) as caught:
        ask(server.address, READING["GetGallery"])
    assert caught.value.request_id == "7" and server.asked == ["GetGallery"]


@BOTH
def test_large_requests_are_repeated_too(serve: Serve, ask: Ask) -> None:
    server = serve(Failing(losses=2))
    ask(server.address, lambda client: client.describe_query(bytes(2**23)))
    assert len(server.asked) == 3


@BOTH
def test_repeating_ends_at_the_deadline(serve: Serve, ask: Ask) -> None:
    server = serve(Failing(losses=100))
    with pytest.raises(DeadlineError):
        ask(server.address, READING["GetGallery"], 0.1)
    assert len(server.asked) < ATTEMPTS


@BOTH
@pytest.mark.parametrize("method", ["GetGallery", "SearchRegions", "UpsertImages"])
def test_a_server_that_is_not_there_is_named(ask: Ask, method: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    # The deadline is many times what all attempts take together, and no DeadlineError comes.
    with pytest.raises(UnavailableError, match=f"{address}: .*nothing listens on this port"):
        ask(address, {**READING, **ONCE}[method], 4.0)


def test_a_map_that_cannot_be_read_is_the_servers_error() -> None:
    whole = image_pb2.ActivationMap(rows=2, cols=1, values=[0, 0])
    assert activation_map(whole).values.shape == (2, 1)
    for wrong in (
        image_pb2.ActivationMap(),
        image_pb2.ActivationMap(rows=2, cols=2, values=[0]),
        image_pb2.ActivationMap(rows=2, cols=1, values=[0, 0], row_centres=[0.7, 0.2]),
        image_pb2.ActivationMap(rows=2, cols=1, values=[0, 0], row_centres=[0.5]),
        image_pb2.ActivationMap(rows=2, cols=1, values=[0, 0], row_centres=[0.2, float("nan")]),
    ):
        with pytest.raises(ServerError, match="a map that cannot be read"):
            activation_map(wrong)


def test_a_query_image_that_cannot_be_read_is_the_servers_error() -> None:
    spread = image_pb2.DescribedQuery(rows=2, cols=1, row_centres=[0.2, 0.9])
    assert query(spread).registration.rows.centres == pytest.approx((0.2, 0.9))
    assert query(spread).registration.cols.centres == (0.5,)
    for wrong in (
        image_pb2.DescribedQuery(),
        image_pb2.DescribedQuery(rows=2),
        image_pb2.DescribedQuery(rows=2**32 - 1, cols=1),
        image_pb2.DescribedQuery(rows=1, cols=2**31),
        image_pb2.DescribedQuery(rows=2, cols=1, row_centres=[0.7, 0.2]),
        image_pb2.DescribedQuery(rows=2, cols=1, row_centres=[0.5]),
        image_pb2.DescribedQuery(rows=2, cols=1, col_centres=[float("nan")]),
    ):
        with pytest.raises(ServerError, match="a query image that cannot be read"):
            query(wrong)


def test_pairs_that_cannot_be_read_are_the_servers_error() -> None:
    usual: dict[str, Any] = {
        "positions": [3, 0],
        "values": np.array([1, 2, 3, 4, 5, -6], "<f2").tobytes(),
        "scale": 0.5,
        "bias": [7, 8],
        "other_bias": [1, 2, 3],
    }
    found = pair_matrix(part_search_service_pb2.PairMatrix(**usual))
    assert (found.side, found.positions) == ("retrieved", (3, 0))
    np.testing.assert_array_equal(found.values, [[0.5, 1, 1.5], [2, 2.5, -3]])
    wrong: list[dict[str, Any]] = [
        {"values": b""},
        {"values": usual["values"][:-1]},
        {"values": usual["values"] + b"ab"},
        {"values": np.array([1, 2, 3, 4, 5, np.inf], "<f2").tobytes()},
        {"scale": float("nan")},
        {"scale": 1e300},
        {"bias": [7]},
        {"positions": [3]},
        {"other_bias": [1, 2]},
    ]
    for change in wrong:
        with pytest.raises(ServerError, match="pairs of positions that cannot be read"):
            pair_matrix(part_search_service_pb2.PairMatrix(**usual | change))
