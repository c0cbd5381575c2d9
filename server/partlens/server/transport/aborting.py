"""Ends a call with the status of an error."""

from typing import Any

import grpc
from grpc_status import rpc_status  # type: ignore[import-untyped, unused-ignore]

from partlens.server.calls.status import status_of

Context = grpc.aio.ServicerContext[Any, Any]


async def abort(context: Context, error: Exception, request_id: str) -> None:
    """Ends a call with the status of an error; raises, as context.abort does."""
    rich = rpc_status.to_status(status_of(error, request_id))
    _forget_frames(error)
    await context.abort(rich.code, rich.details, rich.trailing_metadata)


def _forget_frames(error: BaseException) -> None:
    """Lets go of the frames that an error went through, and so of the request in them.

    gRPC keeps what context.abort raises in a circle, and that refers to this error: until the next
    garbage collection, each refused request would stay in memory.
    """
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = None
        waiting += [cause for cause in (one.__cause__, one.__context__) if cause is not None]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
