"""Ends a call with the status of an error."""

from typing import Any

import grpc
from grpc_status import rpc_status  # type: ignore[import-untyped, unused-ignore]

from partlens.server.calls.status import status_of

Context = grpc.aio.ServicerContext[Any, Any]


async def abort(context: Context, error: Exception, request_id: str) -> None:
    """Ends a call with the status of an error; raises, as context.abort does."""
    rich = rpc_status.to_status(status_of(error, request_id))
    await context.abort(rich.code, rich.details, rich.trailing_metadata)
