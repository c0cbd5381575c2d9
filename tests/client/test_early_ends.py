"""A server may end uploads before all were sent; the client tells its reason, not gRPC's."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from partlens.client import AccessError, AsyncClient, Client, Upload

DEADLINE = 20.0
TIMES, PICTURES = 20, 64


class Ending(grpc.GenericRpcHandler):
    """Reads one request of each stream, then ends it with a status."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """The same for every method."""

        def answer(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            next(requests)
            yield b""
            if self._code is not grpc.StatusCode.OK:
                context.abort(self._code, "not yours")

        return grpc.stream_stream_rpc_method_handler(answer)


@pytest.fixture
def address(code: grpc.StatusCode) -> Iterator[str]:
    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads, [Ending(code)])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(0).wait(DEADLINE)


def uploads() -> list[Upload]:
    return [Upload(str(one), b"a" * 50_000) for one in range(PICTURES)]


def upload(address: str) -> int:
    with Client(address, DEADLINE) as client:
        return len(client.upsert_images(uploads(), deadline=DEADLINE))


def upload_in_asyncio(address: str) -> int:
    async def run() -> int:
        async with AsyncClient(address, DEADLINE) as client:
            return len(await client.upsert_images(uploads(), deadline=DEADLINE))

    return asyncio.run(run())


BOTH = pytest.mark.parametrize("send", [upload, upload_in_asyncio], ids=["blocking", "asyncio"])


@BOTH
@pytest.mark.parametrize("code", [grpc.StatusCode.PERMISSION_DENIED])
def test_the_servers_reason_for_ending_uploads_is_told(
    address: str, send: Callable[[str], int]
) -> None:
    for _ in range(TIMES):
        with pytest.raises(AccessError, match="not yours"):
            send(address)


@BOTH
@pytest.mark.parametrize("code", [grpc.StatusCode.OK])
def test_a_stream_that_the_server_ends_without_an_error_has_none(
    address: str, send: Callable[[str], int]
) -> None:
    for _ in range(TIMES):
        assert send(address) == 1
