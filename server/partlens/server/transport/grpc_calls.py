"""A thin adapter between gRPC's handlers and the pipeline."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status  # type: ignore[import-untyped, unused-ignore]

from partlens.server.calls import call as calls
from partlens.server.calls.call import Call
from partlens.server.calls.method import Method
from partlens.server.calls.pipeline import Pipeline, first
from partlens.server.calls.status import status_of
from partlens.server.errors import RequestError

_OURS = "/partlens."
Context = grpc.aio.ServicerContext[Any, Any]


class GrpcCalls(grpc.GenericRpcHandler):  # type: ignore[misc, unused-ignore]
    """Runs gRPC calls of partlens methods through the pipeline.

    Args:
        methods: by path.
    """

    def __init__(self, pipeline: Pipeline, methods: Mapping[str, Method]) -> None:
        self._pipeline, self._methods = pipeline, methods

    def service(self, handler_call_details: Any) -> Any:
        """gRPC's handler of a call; None for an unknown method."""
        method = self._methods.get(handler_call_details.method)
        if method is None:
            return None
        metadata = _texts(handler_call_details.invocation_metadata)

        async def served(requests: AsyncIterator[Any], context: Context) -> None:
            await self._serve(method, metadata, requests, context)

        # A unary request is served as a stream of one, so that the layers run before it is read.
        return grpc.stream_stream_rpc_method_handler(
            served, method.request.FromString, method.response.SerializeToString
        )

    async def _serve(
        self,
        method: Method,
        metadata: Mapping[str, str],
        requests: AsyncIterator[Message],
        context: Context,
    ) -> None:
        id = calls.request_id(metadata)
        call = Call(method.path, method.kind, metadata, context.peer(), id)
        await context.send_initial_metadata(((calls.REQUEST_ID, id),))
        try:
            answers = self._pipeline.answer(method, call, _readable(requests))
            async with aclosing(answers) as responses:
                async for response in responses:
                    await context.write(response)
        except Exception as error:
            await _abort(context, error, id)


class CheckedRequests(grpc.aio.ServerInterceptor):  # type: ignore[misc, unused-ignore]
    """Reports malformed health and reflection requests like those of partlens methods."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The method's handler, which refuses unreadable requests."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(_OURS):
            return handler

        async def served(requests: AsyncIterator[Any], context: Context) -> None:
            readable = _readable(requests)
            try:
                if handler.unary_unary:
                    await context.write(await handler.unary_unary(await first(readable), context))
                elif handler.unary_stream:
                    await handler.unary_stream(await first(readable), context)
                else:
                    async for response in handler.stream_stream(readable, context):
                        await context.write(response)
            except RequestError as error:
                await _abort(context, error, "")

        return grpc.stream_stream_rpc_method_handler(
            served, handler.request_deserializer, handler.response_serializer
        )


async def _abort(context: Context, error: Exception, request_id: str) -> None:
    """Ends a call with the status of an error; raises, as context.abort does."""
    rich = rpc_status.to_status(status_of(error, request_id))
    await context.abort(rich.code, rich.details, rich.trailing_metadata)


def _texts(metadata: Any) -> dict[str, str]:
    return {key: value for key, value in metadata or () if isinstance(value, str)}


async def _readable(requests: AsyncIterator[Any]) -> AsyncGenerator[Any]:
    """The requests; RequestError for bytes that are not a message."""
    try:
        async for request in requests:
            yield request
    except DecodeError as error:
        raise RequestError("", "the request is not a message of this method") from error
