"""Runs every call of our services inside the same layers, and answers their errors."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
)
from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError

from partlens.server.calls import call as calls
from partlens.server.calls.call import Call
from partlens.server.calls.status import abort
from partlens.server.errors import RequestError

_OURS = "/partlens."
_Answer = Callable[[Call, Any, AsyncGenerator[Any], Any], Awaitable[None]]


class Layer(Protocol):
    """Something that every call goes through."""

    def around(self, call: Call) -> AbstractAsyncContextManager[None]:
        """Entered before the call's request is read, left before it is answered; may raise."""
        ...


class EveryCall(grpc.aio.ServerInterceptor):
    """Puts layers around every call of our services, the first outermost.

    A method of one request is served as a stream of one, so that the layers come before its
    request is read: who is not let in cannot make the server receive a large message.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The method's handler, inside the layers."""
        handler, details = await continuation(handler_call_details), handler_call_details
        if handler is None:
            return None
        if not details.method.startswith(_OURS):
            return _checked(handler)
        answer, kind, method = self._answer_of(handler)

        async def served(requests: AsyncIterator[Any], context: Any) -> None:
            metadata = _texts(details.invocation_metadata)
            id = calls.request_id(metadata)
            call = Call(details.method, kind, metadata, context.peer(), id)
            calls.enter(call)
            await context.send_initial_metadata(((calls.REQUEST_ID, id),))
            try:
                await answer(call, method, _readable(requests), context)
            except Exception as error:
                await abort(context, error, id)

        return grpc.stream_stream_rpc_method_handler(
            served, handler.request_deserializer, handler.response_serializer
        )

    def _answer_of(self, handler: Any) -> tuple[_Answer, str, Any]:
        """How a method is served, its kind, and the method itself."""
        if handler.unary_unary:
            return self._one, "unary", handler.unary_unary
        if handler.unary_stream:
            return self._one_to_many, "server_stream", handler.unary_stream
        return self._stream, "bidi_stream", handler.stream_stream

    async def _one(
        self, call: Call, method: Any, requests: AsyncGenerator[Any], context: Any
    ) -> None:
        async with self._around(call), aclosing(_counted(requests, call)) as counted:
            response = await method(await _first(counted), context)
        await context.write(response)
        call.sent()

    async def _one_to_many(
        self, call: Call, method: Any, requests: AsyncGenerator[Any], context: Any
    ) -> None:
        async with self._around(call), aclosing(_counted(requests, call)) as counted:
            async with aclosing(method(await _first(counted), context)) as responses:
                await _write(responses, call, context)

    async def _stream(
        self, call: Call, method: Any, requests: AsyncGenerator[Any], context: Any
    ) -> None:
        async with self._around(call), aclosing(_counted(requests, call)) as counted:
            async with aclosing(method(counted, context)) as responses:
                await _write(responses, call, context)

    @asynccontextmanager
    async def _around(self, call: Call) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for layer in self._layers:
                await stack.enter_async_context(layer.around(call))
            yield


def _checked(handler: Any) -> Any:
    """A method of health or reflection, with bytes that are no message answered as ours are."""

    async def served(requests: AsyncIterator[Any], context: Any) -> None:
        readable = _readable(requests)
        try:
            if handler.unary_unary:
                await context.write(await handler.unary_unary(await _first(readable), context))
            elif handler.unary_stream:
                await handler.unary_stream(await _first(readable), context)
            else:
                async for response in handler.stream_stream(readable, context):
                    await context.write(response)
        except RequestError as error:
            await abort(context, error, calls.request_id({}))

    return grpc.stream_stream_rpc_method_handler(
        served, handler.request_deserializer, handler.response_serializer
    )


def _texts(metadata: Any) -> dict[str, str]:
    return {key: value for key, value in metadata or () if isinstance(value, str)}


async def _readable(requests: AsyncIterator[Any]) -> AsyncGenerator[Any]:
    """The requests; RequestError for bytes that are no message."""
    try:
        async for request in requests:
            yield request
    except DecodeError as error:
        raise RequestError("", "the request is not a message of this method") from error


async def _counted(requests: AsyncGenerator[Any], call: Call) -> AsyncGenerator[Any]:
    async with aclosing(requests):
        async for request in requests:
            call.received()
            yield request


async def _write(responses: AsyncIterator[Any], call: Call, context: Any) -> None:
    async for response in responses:
        await context.write(response)
        call.sent()


async def _first(requests: AsyncIterator[Any]) -> Any:
    async for request in requests:
        return request
    raise RequestError("", "the call has no request")
