"""The status that a server ended an asyncio stream with."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import grpc
import grpc.aio

# A write that fails because the stream has ended is reported just before or after the status.
_WAIT = 1.0
Value = TypeVar("Value")


async def with_servers_status(call: Any) -> AsyncIterator[Any]:
    """Yield the responses of a stream-stream call, and raise what the server ended it with.

    If the server ends a call while requests are still being sent, grpc.aio replaces the server's
    status by INTERNAL, "Internal error from Core" (github.com/grpc/grpc/issues/36066): the caller
    would not learn that, say, its token is not allowed to upload.

    Args:
        call: a grpc.aio.StreamStreamCall that was just begun. It is cancelled when the iteration
            stops early.

    Raises:
        grpc.aio.AioRpcError: the call failed.
    """
    status = _ServersStatus(call)
    try:
        async for response in call:
            yield response
    except grpc.aio.AioRpcError as error:
        if (sent := await status.instead_of(error)) is not None:
            raise sent from None
    finally:
        call.cancel()  # does nothing if the call has ended


class _ServersStatus:
    """Keeps the first status of a call that does not stand for a failed write."""

    def __init__(self, call: Any) -> None:
        self._error: grpc.aio.AioRpcError | None = None
        self._known = asyncio.Event()
        call.add_done_callback(self._keep)  # called for each status, also for one that replaces it

    async def instead_of(self, error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError | None:
        """The server's error, None if it ended the call without one.

        `error` itself where it is the server's, or where no status of the server arrives.
        """
        if not _is_failed_write(error):
            return error
        try:
            async with asyncio.timeout(_WAIT):
                await self._known.wait()
        except TimeoutError:
            return error
        return self._error

    def _keep(self, call: Any) -> None:
        error = grpc.aio.AioRpcError(
            _at_once(call.code()),
            _at_once(call.initial_metadata()),
            _at_once(call.trailing_metadata()),
            _at_once(call.details()),
            _at_once(call.debug_error_string()),
        )
        if not self._known.is_set() and not _is_failed_write(error):
            self._error = error if error.code() != grpc.StatusCode.OK else None
            self._known.set()


def _is_failed_write(error: grpc.aio.AioRpcError) -> bool:
    internal = error.code() == grpc.StatusCode.INTERNAL
    return internal and error.details() == "Internal error from Core"


def _at_once(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """The value of a coroutine that has nothing to wait for.

    The status must be read inside the callback: a task would read the one that replaced it.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: Value = done.value
        return value
    coroutine.close()
    raise RuntimeError("grpc.aio calls back before the status of a call is known")
