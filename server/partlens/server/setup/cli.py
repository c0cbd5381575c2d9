"""`partlens setup`."""

from pathlib import Path

import click

from partlens.common.local_path import LocalPath
from partlens.common.results import json_option, say_result
from partlens.common.terminal import complain, say


@click.command()
@click.argument("folder", type=LocalPath(file_okay=False))
@click.option("--model", type=LocalPath(), help="Model folder; the starter model by default.")
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Name or address by which clients reach the server, besides localhost; repeatable.",
)
@click.option("--listen", help="HOST:PORT, by default 127.0.0.1:50051.")
@click.option(
    "--http-listen",
    metavar="HOST:PORT",
    help="Serve the page and HTTP calls there, such as 127.0.0.1:8443; by default not at all.",
)
@click.option("--redis", default="", help="HOST:PORT of a Redis server, if you use one.")
@click.option(
    "--run",
    default="partlens",
    show_default=True,
    help="Command to show in the printed instructions.",
)
@click.option(
    "--renew",
    is_flag=True,
    help="Only renew the server's certificate, now; clients need nothing new.",
)
@click.option(
    "--renew-authority",
    is_flag=True,
    help="Only make a new authority, key and certificate; then give ca.pem to the clients again.",
)
@json_option
def setup(
    folder: Path,
    model: Path | None,
    hosts: tuple[str, ...],
    listen: str | None,
    http_listen: str | None,
    redis: str,
    run: str,
    renew: bool,
    renew_authority: bool,
    as_json: bool,
) -> None:
    """Prepare FOLDER for a server with TLS and tokens: model, gallery, certificates, settings.

    Existing files are kept, so you can run this before every start. A certificate that expires
    within 30 days, or lacks a host, is renewed with all its hosts; a running server uses it for new
    connections without a restart. Other addresses to listen on are written to settings that nobody
    has edited. Then run: partlens serve --config FOLDER/partlens.toml
    """
    # Imported here because they load torch, which --help need not wait for.
    from partlens.client.errors import AddressError
    from partlens.explainer.errors import ExplainerError
    from partlens.indexer.errors import IndexerError
    from partlens.runtime.errors import ProgramError
    from partlens.server.setup import instructions
    from partlens.server.setup.folder import Place, ServerFolder

    place = Place(hosts, listen, http_listen, redis)
    ready = ServerFolder(folder.resolve())
    only_renew = renew or renew_authority
    if only_renew and (model or listen or http_listen or redis):
        raise click.UsageError("--renew and --renew-authority go with --host only")
    try:
        place.require_addresses()
        steps = (
            ready.renew(place, authority=renew_authority)
            if only_renew
            else ready.prepare(place, model)
        )
        for done in steps:
            say(done, err=as_json)
        for kept in ready.differing(place):
            complain(f"warning: {kept}")
        if other := ready.other_certificate():
            complain(
                f"warning: the settings name another certificate, {other}; renew that yourself"
            )
        text = (
            instructions.after_renewal(ready, authority=renew_authority)
            if only_renew
            else instructions.after_setup(ready, run)
        )
        say_result(instructions.facts(ready), text, as_json=as_json)
    except (AddressError, ExplainerError, IndexerError, ProgramError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be written: {error}") from error
