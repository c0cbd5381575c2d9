"""The layer that records how a call ended, for the layers around it."""

from collections.abc import Iterator
from contextlib import contextmanager

from partlens.server.calls.call import Call
from partlens.server.calls.status import code_of


class Outcome:
    """Sets the call's code from what its method or an inner layer raises."""

    @contextmanager
    def around(self, call: Call) -> Iterator[None]:
        """Re-raises what is raised inside."""
        try:
            yield
        except BaseException as error:
            call.code = code_of(error)
            raise
