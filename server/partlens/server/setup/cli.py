"""`partlens setup`."""

from pathlib import Path

import click

from partlens.common.results import json_option, say_result
from partlens.common.terminal import complain, say


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--model", type=click.Path(path_type=Path), help="Model folder; the starter model by default."
)
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
@json_option
def setup(
    folder: Path,
    model: Path | None,
    hosts: tuple[str, ...],
    listen: str | None,
    http_listen: str | None,
    redis: str,
    run: str,
    as_json: bool,
) -> None:
    """Prepare FOLDER for a server with TLS and tokens: model, gallery, certificates, settings.

    Existing files are kept, so you can run this before every start. A certificate that expires
    within 30 days, or lacks a host, is renewed with all its hosts. Other addresses to listen on are
    written to settings that nobody has edited. Then run:
    partlens serve --config FOLDER/partlens.toml
    """
    # Imported here because they load torch, which --help need not wait for.
    from partlens.client.errors import AddressError
    from partlens.explainer.errors import ExplainerError
    from partlens.indexer.errors import IndexerError
    from partlens.runtime.errors import ProgramError
    from partlens.server.setup import certificates
    from partlens.server.setup.folder import Place, ServerFolder

    place = Place(hosts, listen, http_listen, redis)
    ready = ServerFolder(folder.resolve())
    try:
        place.require_addresses()
        for done in ready.prepare(place, model):
            say(done, err=as_json)
        for kept in ready.differing(place):
            complain(f"warning: {kept}")
        fingerprint = certificates.fingerprint(ready.tls.authority)
    except (AddressError, ExplainerError, IndexerError, ProgramError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be written: {error}") from error
    facts = {
        "folder": str(ready.path),
        "settings": str(ready.settings),
        "tokens": str(ready.tokens),
        "authority": str(ready.tls.authority),
        "fingerprint": fingerprint,
        "page": ready.page(),
    }
    text = (
        f"{ready.path} is ready. The server refuses callers without a token; to create one for a"
        f" person:\n"
        f"  {run} token create NAME --scope search --tokens {ready.tokens}\n"
        f"Give clients the certificate authority, {ready.tls.authority} (--ca).\n"
        f"Compare its SHA-256 fingerprint there: {fingerprint}\n"
        f"To start the server: {run} serve --config {ready.settings}"
    )
    if (page := ready.page()) is not None:
        text += (
            f"\nThe page is at {page} and asks for a token. A browser warns of the certificate"
            " until you import the same authority in the browser's certificate settings, under"
            " Authorities."
        )
    say_result(facts, text, as_json=as_json)
