"""Calls whose request id is kept: the id of the call in the server's log and audit log."""

from typing import Any

from google.protobuf.message import Message

REQUEST_ID = "x-request-id"

Metadata = tuple[tuple[str, str], ...]


def answered(method: Any, request: Message, timeout: float, metadata: Metadata) -> tuple[Any, str]:
    """The response to a call, and its request id; "" if the server sends none.

    Args:
        method: method of a stub.
    """
    response, call = method.with_call(request, timeout=timeout, metadata=metadata)
    return response, _id(call.initial_metadata())


async def answered_async(
    method: Any, request: Message, timeout: float, metadata: Metadata
) -> tuple[Any, str]:
    """The same for asyncio."""
    call = method(request, timeout=timeout, metadata=metadata)
    response = await call
    return response, _id(await call.initial_metadata())


def _id(metadata: Any) -> str:
    return str(dict(metadata or ()).get(REQUEST_ID, ""))
