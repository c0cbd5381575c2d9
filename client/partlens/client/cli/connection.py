"""Options of every command that calls a server: its address and the credentials."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from partlens.client import address as addresses
from partlens.client.channel import DEADLINE, Credentials
from partlens.client.cli.arguments import SECONDS, clear_errors
from partlens.client.errors import AddressError
from partlens.client.sync_client import Client

Command = Callable[..., Any]
DEFAULT_SERVER = "127.0.0.1:50051"
_TOKEN = "PARTLENS_TOKEN"
_FILE = click.Path(path_type=Path, dir_okay=False)

# Name, environment variable, help; each names a file. A secret is never an option's value, because
# other users of the machine can see a command's options.
_FILES = (
    (
        "--token-file",
        "PARTLENS_TOKEN_FILE",
        "File with the token to send; or put the token in PARTLENS_TOKEN.",
    ),
    ("--ca", "PARTLENS_CA", "Authority of the server's certificate (PEM); enables TLS."),
    ("--client-certificate", "PARTLENS_CLIENT_CERTIFICATE", "Client certificate (PEM)."),
    ("--client-key", "PARTLENS_CLIENT_KEY", "Key of the client certificate (PEM)."),
)


class AddressType(click.ParamType[str]):
    """HOST:PORT of a server."""

    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Parse the address."""
        try:
            return str(addresses.parse(value))
        except AddressError as error:
            self.fail(str(error), param, ctx)


def connection_options(command: Command) -> Command:
    """--gallery, and those of server_options; the command gets them as `client`."""
    return connecting_options(_connected(command))


def server_options(command: Command) -> Command:
    """--server, --deadline, --tls and credential files; the command gets them as `client`."""
    return _connecting(_connected(command))


def connecting_options(command: Command) -> Command:
    """The options of connection_options for a command that may do without a server.

    The command gets `connect`, which reads the credentials and gives a Client.
    """
    return _connecting(
        click.option(
            "--gallery",
            "of_gallery",
            default="",
            envvar="PARTLENS_GALLERY",
            metavar="NAME",
            help="Gallery of the server, by name or alias (or set PARTLENS_GALLERY); by default the"
            " server's default.",
        )(command)
    )


def _connected(command: Command) -> Command:
    @wraps(command)
    def connected(connect: Callable[[], Client], **options: Any) -> Any:
        return command(client=connect(), **options)

    return connected


def _connecting(command: Command) -> Command:
    @click.option(
        "--server",
        default=DEFAULT_SERVER,
        show_default=True,
        type=AddressType(),
        envvar="PARTLENS_SERVER",
        help="host:port of the server (or set PARTLENS_SERVER).",
    )
    @click.option(
        "--deadline",
        default=DEADLINE,
        show_default=True,
        type=SECONDS,
        help="Time limit of one call, in seconds.",
    )
    @click.option("--tls", is_flag=True, envvar="PARTLENS_TLS", help="Use TLS (PARTLENS_TLS).")
    @wraps(command)
    def connected(
        server: str,
        deadline: float,
        tls: bool,
        token_file: Path | None,
        ca: Path | None,
        client_certificate: Path | None,
        client_key: Path | None,
        of_gallery: str = "",
        **options: Any,
    ) -> Any:
        def connect() -> Client:
            credentials = Credentials(
                token=_token(token_file),
                tls=tls,
                ca=_content(ca),
                certificate=_content(client_certificate),
                key=_content(client_key),
            )
            with clear_errors():
                return Client(server, deadline, credentials, of_gallery)

        return command(connect=connect, **options)

    for name, variable, help in reversed(_FILES):
        connected = click.option(
            name, envvar=variable, type=_FILE, help=f"{help} ({variable})", metavar="FILE"
        )(connected)
    return connected


def _token(file: Path | None) -> str:
    text = _content(file).decode(errors="replace") if file else os.environ.get(_TOKEN, "")
    return text.strip()


def _content(path: Path | None) -> bytes:
    """Content of a file; b"" for no file. An empty file is an error, since b"" means none."""
    if path is None:
        return b""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
    if not content.strip():
        raise click.ClickException(
            f"{path} is empty; give a file with the content that the option needs"
        )
    return content
