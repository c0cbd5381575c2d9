"""`partlens bridge`: sends pictures from other systems to the ingest stream."""

import asyncio
import logging
import signal
from pathlib import Path

import click

from partlens.ingest.bridge.frigate import FrigateBridge
from partlens.ingest.bridge.frigate_api import FrigateApi
from partlens.ingest.bridge.metrics import BridgeMetrics
from partlens.ingest.bridge.mqtt import MqttMessages
from partlens.ingest.stream import IngestStream
from partlens.runtime import logs
from partlens.runtime.config.cli import clear_errors, load_or_fail
from partlens.runtime.config.options import config_options
from partlens.runtime.config.settings import Settings
from partlens.runtime.metrics_port import MetricsPort
from partlens.runtime.redis_connection import connect

_log = logging.getLogger("partlens.ingest.bridge")


@click.group()
def bridge() -> None:
    """Send pictures from other systems to the ingest stream."""


@bridge.command()
@config_options
def frigate(file: Path | None, texts: tuple[str, ...]) -> None:
    """Send snapshots of the objects that Frigate tracks, until SIGINT or SIGTERM.

    Listens to Frigate's MQTT topic, fetches each snapshot over its HTTP API and crops it. Set the
    addresses in the sections bridge, redis, ingest and observe; see `partlens config docs`.
    """
    settings = load_or_fail(file, texts).settings
    with clear_errors():
        logs.configure(settings.observe)
        asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    messages, api = MqttMessages(settings.bridge), FrigateApi(settings.bridge, settings.limits)
    stream = IngestStream(connect(settings.redis), settings.redis.prefix, settings.ingest)
    metrics = BridgeMetrics()
    work = FrigateBridge(
        messages, api, stream, settings.bridge, settings.limits.image_limits, metrics
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, work.stop)
    port = None
    if settings.observe.metrics_listen:
        port = MetricsPort(metrics.registry, settings.observe.metrics_listen)
    _log.info("from %s at %s to %s", settings.bridge.frigate, settings.bridge.mqtt, stream.name)
    try:
        await work.run()
    finally:
        await api.close()
        await stream.close()
        if port is not None:
            port.close()
