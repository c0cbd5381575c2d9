"""Turns what a method raises into the status that its caller gets."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc

from partlens.server.status import abort

_OURS = "/partlens."


class ErrorsToStatus(grpc.aio.ServerInterceptor):
    """Answers every error of our own services by the table in status.py."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The method's handler, with its errors answered."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(_OURS):
            return handler
        if handler.stream_stream:
            return grpc.stream_stream_rpc_method_handler(
                _stream(handler.stream_stream),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            _unary(handler.unary_unary), handler.request_deserializer, handler.response_serializer
        )


def _unary(method: Any) -> Any:
    async def answered(request: Any, context: Any) -> Any:
        try:
            return await method(request, context)
        except Exception as error:
            await abort(context, error)

    return answered


def _stream(method: Any) -> Any:
    async def answered(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        try:
            async with aclosing(method(requests, context)) as responses:
                async for response in responses:
                    yield response
        except Exception as error:
            await abort(context, error)

    return answered
