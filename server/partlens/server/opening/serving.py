"""Serves a gallery on loopback while its source is indexed, until a signal."""

import signal
import socket
from collections.abc import Callable
from pathlib import Path

from partlens.common.gallery_names import UNNAMED
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.runtime.config.settings import Settings
from partlens.server.app import PartlensServer
from partlens.server.audit.log import beside
from partlens.server.engine.engine import Engine
from partlens.server.observe.indexing import IndexingReport
from partlens.server.opening.indexing import SourceIndexing
from partlens.server.running import run

LOOPBACK = "127.0.0.1"
_GRACE = 1.0
"""Seconds that calls in progress may take once the server stops."""


def settings_for(originals: Path, port: int) -> Settings:
    """Settings of a server for this machine only.

    Args:
        originals: folder of the pictures, which callers may see in full size.
        port: of the page.
    """
    server = {
        "listen": f"{LOOPBACK}:0",
        "http_listen": f"{LOOPBACK}:{port}",
        "originals": (originals,),
        "grace_seconds": _GRACE,
    }
    observe = {"log_level": "warning", "log_format": "text"}
    return Settings.model_validate({"server": server, "observe": observe})


def port_or_free(port: int) -> int:
    """The port, or 0 if another process listens on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return 0
    return port


async def serve(
    model: Path,
    gallery: Path,
    settings: Settings,
    indexing: SourceIndexing,
    report: IndexingReport,
    bound: Callable[[str, str], None],
) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP, and then end the indexing too.

    Args:
        bound: called with the page's address and the gRPC address once both can be connected to;
            the model is still loading then.

    Raises:
        ProgramError: the server cannot listen.
        ExplainerError, IndexerError: the model or the gallery cannot be used.
    """

    def make() -> Engine:
        loaded = MetricModel.load(model)
        opened = Gallery.open(gallery, loaded.spec)
        indexing.begin(opened)
        return Engine(loaded, opened, settings.limits)

    server = PartlensServer({UNNAMED: make}, settings, audit_log=beside(gallery), indexing=report)
    await run(
        server,
        bound=lambda port: bound(str(server.http_url), f"{LOOPBACK}:{port}"),
        loaded=lambda: None,
        # Before the server closes the gallery, to which it still writes.
        ending=indexing.stop,
        signals=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
    )
