"""`partlens setup`."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--model", type=click.Path(path_type=Path), help="Model folder; the starter model.")
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Name or address by which clients reach the server; repeatable. localhost by default.",
)
@click.option("--listen", default="127.0.0.1:50051", show_default=True, help="HOST:PORT.")
@click.option("--redis", default="", help="HOST:PORT of a Redis server; none without.")
@click.option(
    "--run",
    default="partlens",
    show_default=True,
    help="How commands are run where the server is, for what is printed.",
)
def setup(
    folder: Path, model: Path | None, hosts: tuple[str, ...], listen: str, redis: str, run: str
) -> None:
    """Prepare FOLDER for a locked server: model, gallery, certificates, tokens, settings.

    What is there is kept, so that it can be run before every start; a certificate with less than 30
    days left, or for other hosts, is made anew. Then: partlens serve --config FOLDER/partlens.toml
    """
    # Here, as they need torch: --help answers at once.
    from partlens.explainer.errors import ExplainerError
    from partlens.indexer.errors import IndexerError
    from partlens.runtime.errors import ProgramError
    from partlens.server.setup import certificates
    from partlens.server.setup.folder import Place, ServerFolder

    hosts = hosts or ("localhost", "127.0.0.1")
    port = listen.rpartition(":")[2]
    place = Place(hosts, listen, f"{hosts[0]}:{port}", redis)
    ready = ServerFolder(folder.resolve())
    try:
        for made in ready.prepare(place, model):
            click.echo(f"made {made}")
        fingerprint = certificates.fingerprint(ready.tls.authority)
    except (ExplainerError, IndexerError, ProgramError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be written: {error}") from error
    click.echo(
        f"{ready.path} is ready. The server lets nobody in without a token; to make one:\n"
        f"  {run} token create NAME --scope search --tokens {ready.tokens}\n"
        f"and give clients the authority of its certificate, {ready.tls.authority} (--ca).\n"
        f"SHA-256 of that authority, to compare on the way: {fingerprint}"
    )
