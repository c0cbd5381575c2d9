"""Ends long calls of tokens that are revoked or expired."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from partlens.runtime.tasks import end
from partlens.server.calls.call import Call
from partlens.server.errors import ForbiddenError, TokenFileError, UnauthenticatedError

_LOOK_SECONDS = 0.5


class Rights:
    """Checks the token of a stream while it is open, even if nothing is sent.

    Args:
        seconds: pause between checks.
    """

    def __init__(self, seconds: float = _LOOK_SECONDS) -> None:
        self._seconds = seconds

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Raises UnauthenticatedError or ForbiddenError soon after the token is no longer
        allowed."""
        if call.kind == "unary":
            yield
            return
        lost = list[UnauthenticatedError | ForbiddenError]()
        try:
            async with asyncio.timeout(None) as stream:
                looking = asyncio.create_task(self._look(call, stream, lost))
                try:
                    yield
                finally:
                    await end(looking)
        except TimeoutError:
            if not lost:
                raise
            raise lost[0] from None

    async def _look(
        self,
        call: Call,
        stream: asyncio.Timeout,
        lost: list[UnauthenticatedError | ForbiddenError],
    ) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                call.require_allowed()
            except (UnauthenticatedError, ForbiddenError) as error:
                lost.append(error)
                stream.reschedule(asyncio.get_running_loop().time())
                return
            except TokenFileError:
                continue  # a file that cannot be read now is read again
