"""Serves a gallery on loopback while its source is indexed, until a signal."""

import asyncio
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.runtime.config.settings import Settings
from partlens.server.app import PartlensServer
from partlens.server.audit.log import beside
from partlens.server.engine.engine import Engine
from partlens.server.observe.indexing import IndexingReport
from partlens.server.opening.indexing import SourceIndexing

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
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def make() -> Engine:
        loaded = MetricModel.load(model)
        opened = Gallery.open(gallery, loaded.spec)
        indexing.begin(opened)
        return Engine(loaded, opened, settings.limits)

    server = PartlensServer(make, settings, audit_log=beside(gallery), indexing=report)
    port = await server.bind()
    bound(f"http://{LOOPBACK}:{server.http_port}/", f"{LOOPBACK}:{port}")
    try:
        loading, stopping = asyncio.create_task(server.load()), asyncio.create_task(stop.wait())
        await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()
        await stopping
    finally:
        # First, as it still writes to the gallery that the server closes.
        await asyncio.to_thread(indexing.stop)
        await server.stop()
