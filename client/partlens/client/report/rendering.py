"""Templates to pages."""

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from google.protobuf.timestamp_pb2 import Timestamp
from markupsafe import Markup

from partlens.common.bias import bias_warning
from partlens.common.text import visible


def rendered(template: str, bias_share: float, **values: object) -> str:
    """A page.

    Every text is escaped for HTML, and control characters are made visible.

    Args:
        template: name of the template.
        bias_share: of the gallery's model; a large one is warned of.
    """
    warning = bias_warning(bias_share)
    return (
        _environment()
        .get_template(template)
        .render(warning=warning, bias_share=bias_share, **values)
    )


@cache
def _environment() -> jinja2.Environment:
    def load(name: str) -> str:
        return (files("partlens.client.report") / "templates" / name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["utc"] = utc
    return environment


def utc(moment: datetime | Timestamp) -> str:
    """A time for people.

    >>> utc(datetime(2026, 11, 29, 2, 3, 4, 5, UTC))
    '2026-11-29 02:03:04 UTC'
    """
    known = moment.ToDatetime(UTC) if isinstance(moment, Timestamp) else moment
    return known.astimezone(UTC).isoformat(" ", "seconds").replace("+00:00", " UTC")


def _finalized(value: Any) -> Any:
    """What an expression of a template writes."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
