"""A thin adapter between gRPC's handlers and the pipeline."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import grpc

from partlens.runtime.config.sections import LimitsSection
from partlens.server.calls import call as calls
from partlens.server.calls.call import Call
from partlens.server.calls.method import Method
from partlens.server.calls.pipeline import Pipeline
from partlens.server.limits.arrivals import Arrivals, Held
from partlens.server.limits.receiving import BinaryParser, Receiver
from partlens.server.limits.sending import sent
from partlens.server.transport.aborting import Context, abort


class GrpcCalls(grpc.GenericRpcHandler):  # type: ignore[misc, unused-ignore]
    """Runs gRPC calls of partlens methods through the pipeline.

    Args:
        methods: by path.
        limits: limits on requests, and on how long callers may be silent.
        arrivals: counts the requests of all transports until they are handled.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        methods: Mapping[str, Method],
        limits: LimitsSection,
        arrivals: Arrivals,
    ) -> None:
        self._pipeline, self._methods, self._limits = pipeline, methods, limits
        self._receivers = {
            path: Receiver(BinaryParser(method.request, limits), limits, arrivals)
            for path, method in methods.items()
        }

    def service(self, handler_call_details: Any) -> Any:
        """gRPC's handler of a call; None for an unknown method."""
        method = self._methods.get(handler_call_details.method)
        if method is None:
            return None
        metadata = _texts(handler_call_details.invocation_metadata)

        async def served(requests: AsyncIterator[bytes], context: Context) -> None:
            await self._serve(method, metadata, requests, context)

        # A unary request is served as a stream of one, so that the layers run before it is read.
        return grpc.stream_stream_rpc_method_handler(
            served, None, method.response.SerializeToString
        )

    async def _serve(
        self,
        method: Method,
        metadata: Mapping[str, str],
        requests: AsyncIterator[bytes],
        context: Context,
    ) -> None:
        id = calls.request_id(metadata)
        end = calls.end_after(context.time_remaining())
        call = Call(method.path, method.kind, metadata, context.peer(), id, end=end)
        await context.send_initial_metadata(((calls.REQUEST_ID, id),))
        try:
            received = self._receivers[method.path].messages(lambda held: _counted(requests, held))
            answers = self._pipeline.answer(method, call, received)
            async with aclosing(answers) as responses:
                async for response in responses:
                    await sent(context.write(response), self._limits.send_seconds)
        except Exception as error:
            await abort(context, error, id)


async def _counted(requests: AsyncIterator[bytes], held: Held) -> AsyncGenerator[bytes]:
    async for data in requests:
        held.add(len(data))
        yield data
        del data


def _texts(metadata: Any) -> dict[str, str]:
    return {key: value for key, value in metadata or () if isinstance(value, str)}
