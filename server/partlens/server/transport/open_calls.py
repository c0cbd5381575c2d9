"""Bounds the calls that need no token: health and reflection."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from partlens.runtime.config.sections import LimitsSection
from partlens.server.calls.pipeline import first
from partlens.server.errors import OverloadedError, RequestError, SilentCallerError
from partlens.server.limits.admission import Places
from partlens.server.limits.receiving import timed
from partlens.server.limits.sending import sent
from partlens.server.transport.aborting import Context, abort

_OURS = "/partlens."
_MOST_BYTES = 64 * 2**10


class OpenCalls(grpc.aio.ServerInterceptor):  # type: ignore[misc, unused-ignore]
    """Limits health and reflection calls: how many, how large, and how long they may be silent.
    Reports malformed requests like those of partlens methods."""

    def __init__(self, limits: LimitsSection) -> None:
        self._limits = limits
        # Health checks must find a place however many callers watch.
        self._short = Places.of("health checks", "open_calls", limits)
        self._long = Places.of("health and reflection streams", "open_calls", limits)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The method's handler, within the limits."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(_OURS):
            return handler
        places = self._short if handler.unary_unary else self._long

        async def served(requests: AsyncIterator[bytes], context: Context) -> None:
            try:
                places.take("", context.peer())
                try:
                    await self._serve(handler, requests, context)
                finally:
                    places.give("", context.peer())
            except (RequestError, OverloadedError, SilentCallerError) as error:
                await abort(context, error, "")

        return grpc.stream_stream_rpc_method_handler(served, None, handler.response_serializer)

    async def _serve(self, handler: Any, requests: AsyncIterator[bytes], context: Context) -> None:
        received = _parsed(timed(requests, self._limits), handler.request_deserializer)
        async with aclosing(received) as messages:
            if handler.unary_unary:
                response = await handler.unary_unary(await first(messages), context)
                await sent(context.write(response), self._limits.send_seconds)
                return
            if handler.unary_stream:
                responses = handler.unary_stream(await first(messages), context)
            else:
                responses = handler.stream_stream(messages, context)
            async for response in responses:
                await sent(context.write(response), self._limits.send_seconds)


async def _parsed(
    requests: AsyncGenerator[bytes], parse: Callable[[bytes], Any]
) -> AsyncGenerator[Any]:
    async with aclosing(requests):
        async for data in requests:
            if len(data) > _MOST_BYTES:
                raise RequestError("", f"the request has {len(data)} bytes; at most {_MOST_BYTES}")
            try:
                yield parse(data)
            except DecodeError as error:
                raise RequestError("", "the request is not a message of this method") from error
