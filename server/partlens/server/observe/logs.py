"""The server's log: one line per call; every line has the id of its call."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from partlens.server.calls import call as calls
from partlens.server.calls.call import Call

_log = logging.getLogger(__name__)


class CallLog:
    """Logs a line when a call ends: method, token, status and duration."""

    @contextmanager
    def around(self, call: Call) -> Iterator[None]:
        """Logs the call."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            milliseconds = round(1e3 * (time.perf_counter() - begun), 1)
            _log.info(
                "%s %s in %.1f ms",
                call.name,
                call.code.name,
                milliseconds,
                extra={
                    "method": call.name,
                    "code": call.code.name,
                    "milliseconds": milliseconds,
                    "token": call.caller.token,
                    "peer": call.peer,
                    "transport": call.transport,
                    "gallery": call.gallery,
                },
            )


def with_request_id(record: logging.LogRecord) -> bool:
    """Adds the id of the current call; a handler's filter applies to the lines of every module."""
    with suppress(LookupError):
        vars(record)["request_id"] = calls.current().request_id
    return True
