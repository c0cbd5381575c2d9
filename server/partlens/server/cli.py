"""`partlens serve`."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import click

from partlens.common.durable import write_atomically
from partlens.common.leaving import leave
from partlens.explainer.errors import ExplainerError
from partlens.indexer.errors import IndexerError
from partlens.indexer.gallery.threads import one_blas_thread
from partlens.runtime import logs
from partlens.runtime.config.cli import load_or_fail
from partlens.runtime.config.options import config_options
from partlens.runtime.config.settings import Settings
from partlens.runtime.errors import ProgramError, SettingsError
from partlens.server.app import PartlensServer
from partlens.server.audit.log import beside
from partlens.server.calls import call as calls
from partlens.server.choosing import Loader, chosen_galleries, gallery_flags
from partlens.server.freed_memory import share_arenas
from partlens.server.limits.connections import raise_open_files
from partlens.server.observe import tracing
from partlens.server.observe.logs import with_request_id
from partlens.server.running import run
from partlens.server.shards.cluster import ShardCluster

_log = logging.getLogger(__name__)


@click.command()
@click.option(
    "--model",
    "models",
    multiple=True,
    help="Model folder; NAME=PATH for that of one gallery. Repeatable.",
)
@click.option(
    "--gallery",
    "galleries",
    multiple=True,
    help="Gallery folder, or NAME=PATH; repeatable with names. The first is the default.",
)
@click.option("--listen", help="HOST:PORT, by default 127.0.0.1:50051; port 0 picks a free port.")
@click.option(
    "--address-file",
    help="Write HOST:PORT to FILE once the server is ready; removed on stop.",
    metavar="FILE",
)
@click.option(
    "--http",
    "http_listen",
    help="Also serve the page, and every method as HTTP with JSON, on HOST:PORT; off by default.",
    metavar="HOST:PORT",
)
@click.option(
    "--shards",
    "shards_kind",
    type=click.Choice(["none", "ray"]),
    help="ray: shards on a Ray cluster answer searches; none: this process does (the default).",
)
@click.option(
    "--address",
    help="Ray cluster to join: HOST:PORT or auto; by default one is started on this machine.",
)
@click.option(
    "--replicas",
    type=int,
    help="Processes for each shard; by default 2 on two nodes or more, otherwise 1.",
)
@click.option("--reflection", is_flag=True, default=None, help="Enable gRPC server reflection.")
@click.option(
    "--insecure",
    is_flag=True,
    help="Serve other machines without TLS or tokens: anyone who can connect may read and delete.",
)
@config_options
def serve(
    file: Path | None,
    texts: tuple[str, ...],
    insecure: bool,
    models: tuple[str, ...],
    galleries: tuple[str, ...],
    shards_kind: str | None,
    address: str | None,
    replicas: int | None,
    **flags: str | bool | None,
) -> None:
    """Serve region searches over gRPC, and with --http in browsers, until SIGINT or SIGTERM.

    SIGHUP continues the audit log in a new file, and adds galleries that the settings have got
    since. You can also set every option except --insecure in partlens.toml or the environment; see
    `partlens config docs`.
    """

    def read() -> Settings:
        named = gallery_flags(galleries, models)
        shards = {"kind": shards_kind, "address": address, "replicas": replicas}
        return load_or_fail(file, texts, {"server": {**flags, **named}, "shards": shards}).settings

    cluster: ShardCluster | None = None
    try:
        settings = read()
        logs.configure(settings.observe, with_request_id)
        tracing.configure()
        chosen = chosen_galleries(settings)
        if settings.shards.kind == "none" and (address or replicas):
            raise SettingsError("--address and --replicas are for --shards ray; give it too")
        if settings.shards.kind == "ray":
            cluster = ShardCluster(settings.shards, calls.seconds_left)
        loader = Loader(cluster)
        server = PartlensServer(
            loader.makes(chosen, settings),
            settings,
            audit_log=settings.access.audit_log or beside(chosen.default.path.resolve()),
            aliases=chosen.aliases,
            insecure=insecure,
        )
        raise_open_files()
        share_arenas()

        async def reload() -> None:
            await server.rotate_audit_log()
            await _add_galleries(server, read, loader)

        with one_blas_thread():
            asyncio.run(_run(server, settings, reload, cluster))
    except (ProgramError, ExplainerError, IndexerError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        if cluster is not None:
            cluster.close()
    leave(0)  # it may have been stopped while it was loading


async def _add_galleries(
    server: PartlensServer, read: Callable[[], Settings], loader: Loader
) -> None:
    """Serve the galleries that the settings have got since; what cannot be served is logged."""
    try:
        settings = read()
        makes = loader.makes(chosen_galleries(settings), settings)
        for name in await server.add_galleries(makes, settings):
            _log.info("serving gallery %s too", name)
    except (ProgramError, ExplainerError, IndexerError, click.ClickException) as error:
        _log.error("the settings were read again, but a gallery cannot be served: %s", error)


async def _run(
    server: PartlensServer,
    settings: Settings,
    reload: Callable[[], Coroutine[Any, Any, None]],
    cluster: ShardCluster | None,
) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _reload, reload)
    host = settings.server.listen.rpartition(":")[0]
    address_file, http_file = settings.server.address_file, settings.server.http_address_file
    files = [file for file in (address_file, http_file) if file]
    _remove(files)  # of a server that was killed
    address = shown = ""

    def bound(port: int) -> None:
        nonlocal address, shown
        address = f"{host}:{port}"
        shown = f"{address} and {server.http_url}" if server.http_url else address
        _log.info("listening on %s, loading", shown)

    def loaded() -> None:
        if http_file and server.http_url:
            write_atomically(http_file, f"{server.http_url}\n")
        # Last, so that who waits for this file finds the other one too.
        if address_file:
            write_atomically(address_file, f"{address}\n")
        _log.info("serving on %s", shown)

    def ending() -> None:
        _log.info("stopping")
        if cluster is not None:
            cluster.stop_waiting()
        _remove(files)

    await run(server, bound, loaded, ending)


def _remove(files: Sequence[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


_reloading = set[asyncio.Task[None]]()  # asyncio keeps no reference to a task


def _reload(reload: Callable[[], Coroutine[Any, Any, None]]) -> None:
    task = asyncio.create_task(reload())
    _reloading.add(task)
    task.add_done_callback(_reloading.discard)
