"""The layer that says how a call ended, for those around it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from partlens.server.calls.call import Call
from partlens.server.calls.status import code_of


class Outcome:
    """Sets the call's code from what is raised inside, be it by its method or by another layer."""

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Raises what is raised inside."""
        try:
            yield
        except BaseException as error:
            call.code = code_of(error)
            raise
