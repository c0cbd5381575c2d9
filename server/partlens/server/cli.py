"""`partlens serve`."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import click

from partlens.explainer.errors import ExplainerError
from partlens.explainer.model import MetricModel
from partlens.indexer.errors import IndexerError
from partlens.indexer.gallery import Gallery
from partlens.server.app import PartlensServer
from partlens.server.engine import Engine
from partlens.server.errors import ServerError
from partlens.server.settings import ServerSettings, table


def _show_settings(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(table())
        context.exit()


@click.command()
@click.option("--model", required=True, type=click.Path(path_type=Path), help="Model folder.")
@click.option("--gallery", required=True, type=click.Path(path_type=Path), help="Gallery folder.")
@click.option(
    "--listen", default="127.0.0.1:50051", show_default=True, help="HOST:PORT; port 0: a free one."
)
@click.option(
    "--address-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write HOST:PORT there once serving; removed on stop.",
)
@click.option("--reflection", is_flag=True, help="Let callers ask for the contract.")
@click.option(
    "--setting", nargs=2, multiple=True, metavar="NAME VALUE", help="Change a setting; repeatable."
)
@click.option(
    "--help-settings",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_settings,
    help="Show the settings and exit.",
)
def serve(
    model: Path,
    gallery: Path,
    listen: str,
    address_file: Path | None,
    reflection: bool,
    setting: tuple[tuple[str, str], ...],
) -> None:
    """Answer region searches over gRPC until SIGINT or SIGTERM."""
    try:
        settings = ServerSettings.from_texts(setting)
        server = PartlensServer(
            lambda: _load(model, gallery, settings), settings, listen=listen, reflection=reflection
        )
        asyncio.run(_run(server, listen, address_file, click.echo))
    except (ServerError, ExplainerError, IndexerError) as error:
        raise click.ClickException(str(error)) from error


def _load(model: Path, gallery: Path, settings: ServerSettings) -> Engine:
    loaded = MetricModel.load(model)
    return Engine(loaded, Gallery.open(gallery, loaded.spec), settings)


async def _run(
    server: PartlensServer, listen: str, address_file: Path | None, say: Callable[[str], None]
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if address_file:
        address_file.unlink(missing_ok=True)  # of a server that was killed
    address = f"{listen.rpartition(':')[0]}:{await server.bind()}"
    say(f"listening on {address}, loading")
    try:
        loading, stopping = asyncio.create_task(server.load()), asyncio.create_task(stop.wait())
        await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()
            if address_file:
                write_atomically(address_file, f"{address}\n")
            say(f"serving on {address}")
        await stopping
        say("stopping")
    finally:
        if address_file:
            address_file.unlink(missing_ok=True)
        await server.stop()


def write_atomically(path: Path, text: str) -> None:
    """Writes a file that nobody can see half written."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text)
    unfinished.replace(path)


if __name__ == "__main__":
    serve()
