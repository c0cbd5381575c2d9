"""The server's log: one line per call; every line has the id of its call."""

import logging
import sys
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pythonjsonlogger.json import JsonFormatter

from partlens.server.calls import call as calls
from partlens.server.calls.call import Call
from partlens.server.config.sections import ObserveSection

_log = logging.getLogger(__name__)


class CallLog:
    """Logs a line when a call ends: method, token, status and duration."""

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
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
                },
            )


def configure(observe: ObserveSection) -> None:
    """Sends this process's log to standard error, in the configured format."""
    handler = logging.StreamHandler(sys.stderr)
    as_json = observe.log_format == "json" or (
        observe.log_format == "auto" and not sys.stderr.isatty()
    )
    handler.setFormatter(json_formatter() if as_json else _text_formatter())
    handler.addFilter(with_request_id)
    # Pillow's warnings about damaged pictures are either reported to the sender as errors or are
    # irrelevant, and Python would keep the text of every distinct one forever.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # A line for each request, with an address that may be secret, such as a webhook's.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.basicConfig(level=observe.log_level.upper(), handlers=[handler], force=True)


def json_formatter() -> logging.Formatter:
    """One JSON object per line."""
    return JsonFormatter(
        "%(asctime)s %(levelname)s %(name)s %(message)s",
        rename_fields={"asctime": "at", "levelname": "level", "name": "logger"},
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )


def _text_formatter() -> logging.Formatter:
    return logging.Formatter(
        "%(asctime)s %(levelname)s %(request_id)s %(message)s",
        "%H:%M:%S",
        defaults={"request_id": "-"},
    )


def with_request_id(record: logging.LogRecord) -> bool:
    """Adds the id of the current call; a handler's filter applies to the lines of every module."""
    with suppress(LookupError):
        vars(record)["request_id"] = calls.current().request_id
    return True
