"""Settings of metrics and logs."""

from typing import Literal

from partlens.runtime.config.sections.section import Section
from partlens.runtime.config.sections.values import ListeningAddress


class ObserveSection(Section):
    """Metrics and logs."""

    metrics_listen: ListeningAddress | None = None
    """HOST:PORT to serve Prometheus metrics on, over HTTP without TLS; none disables them"""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """lowest level to log; info logs one line per call"""
    log_format: Literal["auto", "json", "text"] = "auto"
    """json: one object per line; auto: text on a terminal, json otherwise"""
