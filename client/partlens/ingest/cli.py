"""`partlens ingest`: workers that add pictures from a Redis stream to the gallery."""

import asyncio
import logging
import signal
from pathlib import Path

import click

from partlens.common.results import json_option, say_result
from partlens.ingest.connected import with_stream
from partlens.ingest.dead_cli import dead
from partlens.ingest.metrics import IngestMetrics
from partlens.ingest.stream import IngestStream
from partlens.ingest.uploader import Uploader
from partlens.ingest.worker import Worker
from partlens.runtime import logs
from partlens.runtime.config.cli import clear_errors, load_or_fail
from partlens.runtime.config.options import config_options
from partlens.runtime.config.settings import Settings
from partlens.runtime.metrics_port import MetricsPort
from partlens.runtime.redis_connection import connect

_log = logging.getLogger("partlens.ingest")


@click.group()
def ingest() -> None:
    """Add pictures from a Redis stream to the gallery."""


@ingest.command()
@config_options
def run(file: Path | None, texts: tuple[str, ...]) -> None:
    """Run a worker until SIGINT or SIGTERM.

    It sends the stream's pictures to the server. Run any number of workers, on any machine that
    reaches Redis and the server. Set the addresses in the sections redis, ingest and observe; see
    `partlens config docs`.
    """
    settings = load_or_fail(file, texts).settings
    with clear_errors():
        logs.configure(settings.observe)
        asyncio.run(_run(settings))


@ingest.command()
@config_options
@json_option
def status(file: Path | None, texts: tuple[str, ...], as_json: bool) -> None:
    """Print the backlog of the workers."""
    settings = load_or_fail(file, texts).settings

    async def report(stream: IngestStream) -> None:
        lag = (await stream.lag()).to_json()
        text = "\n".join(f"{name}: {value}" for name, value in lag.items())
        say_result(lag, text, as_json=as_json)

    with_stream(settings, report)


ingest.add_command(dead)


async def _run(settings: Settings) -> None:
    stream = IngestStream(connect(settings.redis), settings.redis.prefix, settings.ingest)
    uploader, metrics = Uploader(settings.ingest), IngestMetrics()
    worker = Worker(stream, uploader, settings.ingest, metrics)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    port = None
    if settings.observe.metrics_listen:
        port = MetricsPort(metrics.registry, settings.observe.metrics_listen)
    _log.info("worker %s: from %s to %s", stream.worker, stream.name, settings.ingest.server)
    try:
        await worker.run()
    finally:
        await uploader.close()
        await stream.close()
        if port is not None:
            port.close()
