"""The log of a program: lines for a person, or one JSON object a line."""

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
    """Send the log of this process to standard error, as the settings say.

    Args:
        filters: each sees the lines of every module, and may add to them.
    """
    handler = logging.StreamHandler(sys.stderr)
    as_json = observe.log_format == "json" or (
        observe.log_format == "auto" and not sys.stderr.isatty()
    )
    handler.setFormatter(json_formatter() if as_json else text_formatter())
    for one in filters:
        handler.addFilter(one)
    # What a damaged picture makes Pillow warn of goes back to its sender as an error, or is of no
    # account; Python would keep the text of every different one for good.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # A line for each request, with an address that may be secret, such as a webhook's.
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
    """One JSON object a line."""
    return _SafeJson(
        "%(asctime)s %(levelname)s %(name)s %(message)s",
        rename_fields={"asctime": "at", "levelname": "level", "name": "logger"},
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )


def text_formatter() -> logging.Formatter:
    """A line for a person, with the id of the call that it belongs to where there is one."""
    return _SafeText(
        "%(asctime)s %(levelname)s %(request_id)s %(message)s",
        "%H:%M:%S",
        defaults={"request_id": "-"},
    )
