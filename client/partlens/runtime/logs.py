"""The log of a program: lines for people, or one JSON object per line."""

import logging
import sys
import warnings
from collections.abc import Callable

from pythonjsonlogger.json import JsonFormatter

from partlens.common.redaction import redacted
from partlens.common.terminal import safe
from partlens.runtime.config.sections import ObserveSection

Filter = Callable[[logging.LogRecord], bool]


def configure(observe: ObserveSection, *filters: Filter) -> None:
    """Send the log of this process to standard error.

    Args:
        observe: level and format.
        filters: filters for the records of every module; each may add to them.
    """
    handler = logging.StreamHandler(sys.stderr)
    as_json = observe.log_format == "json" or (
        observe.log_format == "auto" and not sys.stderr.isatty()
    )
    handler.setFormatter(json_formatter() if as_json else text_formatter())
    for one in filters:
        handler.addFilter(one)
    # If a damaged picture makes Pillow warn, its sender gets an error, or the damage does not
    # matter. Python would keep the text of every different warning forever.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # At INFO it logs a line per request, with the address, which may be secret (a webhook's).
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.basicConfig(level=observe.log_level.upper(), handlers=[handler], force=True)


class _SafeJson(JsonFormatter):
    """JSON in ASCII, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


class _SafeText(logging.Formatter):
    """Text that cannot command a terminal, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return safe(redacted(super().format(record)))


def json_formatter() -> logging.Formatter:
    """One JSON object per line."""
    return _SafeJson(
        "%(asctime)s %(levelname)s %(name)s %(message)s",
        rename_fields={"asctime": "at", "levelname": "level", "name": "logger"},
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )


def text_formatter() -> logging.Formatter:
    """Lines for people, with the id of the call if there is one."""
    return _SafeText(
        "%(asctime)s %(levelname)s %(request_id)s %(message)s",
        "%H:%M:%S",
        defaults={"request_id": "-"},
    )
