"""How calls end: with an error, at their deadline, or because their caller has left."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from partlens.runtime.tasks import end
from partlens.server.calls import call as calls
from partlens.server.calls.code import Code
from partlens.server.errors import StoppingError
from partlens.server.http.connect_errors import HTTP_STATUS, connect_error, encoded
from partlens.server.http.exchange import Incoming, Outgoing
from partlens.server.http.protocol_error import ProtocolError


async def respond_error(outgoing: Outgoing, error: Exception, request_id: str) -> None:
    """Ends a call that has not been answered; cuts off one that has."""
    if outgoing.started:
        outgoing.abort()
        return
    code, body = connect_error(error, request_id)
    status, more = HTTP_STATUS[code], {}
    if isinstance(error, ProtocolError):
        status, more = error.status or status, dict(error.headers)
    data = encoded(body)
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(data)),
        calls.REQUEST_ID: request_id,
        **more,
    }
    await outgoing.start(status, headers)
    await outgoing.finish(data)


async def while_there(serving: Coroutine[Any, Any, None], incoming: Incoming) -> None:
    """Serves a call, and cancels it when its caller goes away; StoppingError if it is cut off.

    It is cancelled once, and then waited for: a commit that has begun finishes, and a second
    cancellation would end the wait for it.
    """
    working, leaving = asyncio.create_task(serving), asyncio.create_task(incoming.gone())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        working.cancel()
        await asyncio.wait({working})
        raise StoppingError("the server is stopping; call again later") from None
    finally:
        await end(leaving)
    if not working.done():
        working.cancel()
        await asyncio.wait({working})
    if not working.cancelled():
        working.result()


@asynccontextmanager
async def deadline(seconds: float | None) -> AsyncIterator[None]:
    """Turns a deadline that has passed into Connect's error."""
    timeout = asyncio.timeout(seconds)
    try:
        async with timeout:
            yield
    except TimeoutError:
        if not timeout.expired():
            raise
        raise ProtocolError(
            Code.DEADLINE_EXCEEDED, f"the call took longer than its deadline of {seconds:g} s"
        ) from None
