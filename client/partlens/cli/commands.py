"""Command groups that import a command only when it is called."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec

import click

from partlens.cli.exit_codes import INTERRUPTED, set_exit_code
from partlens.cli.table import Row
from partlens.common.installing import pip_install
from partlens.common.terminal import make_safe, say

# Part, or package in it -> the extra that installs it, and a module that only this extra brings.
_EXTRAS: Mapping[str, tuple[str, str]] = {
    "partlens.cli": ("cli", "rich"),
    "partlens.cli.index": ("indexer,faiss-cpu", "lance"),
    "partlens.client": ("cli", "rich"),
    "partlens.explainer": ("explainer", "torch"),
    "partlens.indexer": ("indexer,faiss-cpu", "lance"),
    "partlens.indexer.ray_build": ("ray,faiss-cpu", "ray"),
    "partlens.ingest": ("ingest", "redis"),
    "partlens.ingest.bridge": ("bridge", "paho"),
    "partlens.runtime": ("ingest", "redis"),
    "partlens.server": ("server,faiss-cpu", "grpc_reflection"),
    "partlens.server.bench.fanout": ("ray,faiss-cpu", "simpy"),
}


class Commands(click.Group):
    """Lists commands from a table, and loads a command when it is called.

    Args:
        rows: name -> command.
    """

    def __init__(self, name: str, rows: Mapping[str, Row], *, help: str) -> None:
        super().__init__(name, help=help)
        self.rows = rows

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in alphabetical order."""
        return sorted(self.rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with this name; a stand-in if its part is not installed."""
        if (row := self.rows.get(cmd_name)) is None:
            return None
        module, _, attribute = row.place.partition(":")
        try:
            with _ended_by_ctrl_c():
                command = getattr(import_module(module), attribute)
        except ImportError as error:
            return _missing(f"{ctx.command_path} {cmd_name}", module, error)
        return command if isinstance(command, click.Command) else None

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; an error that it ends with is made safe to show, with its exit code."""
        try:
            return self._invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except click.ClickException as error:
            make_safe(error)
            set_exit_code(error)
            raise

    def _invoke(self, ctx: click.Context) -> object:
        """Run the command; say what to install if it imports, as it runs, what is not installed."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            name = ctx.invoked_subcommand or ""
            if (row := self.rows.get(name)) is None or (error.name or "").startswith("partlens"):
                raise
            extra, _ = _extra_of(row.place.partition(":")[0])
            called = f"{ctx.command_path} {name}"
            raise click.ClickException(f"`{called}` {_to_install(error, extra)}") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, using only the table."""
        shortened = click.Command("", help="")
        width = formatter.width - 6 - max(map(len, self.rows))
        rows = []
        for name in self.list_commands(ctx):
            shortened.help = self.rows[name].summary if _installed(self.rows[name]) else _ABSENT
            rows.append((name, shortened.get_short_help_str(width)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


_ABSENT = "(not installed)"


def _extra_of(module: str) -> tuple[str, str]:
    within = (part for part in _EXTRAS if f"{module}.".startswith(f"{part}."))
    return _EXTRAS[max(within, key=len)]


def _installed(row: Row) -> bool:
    _, needed = _extra_of(row.place.partition(":")[0])
    return find_spec(needed) is not None


@contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end the process at once.

    Python would raise an exception instead, which some libraries swallow while they are imported.
    """
    usual = signal.default_int_handler
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) is not usual:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


@contextmanager
def needing(module: str) -> Iterator[None]:
    """Say what to install where a command imports a part that is not installed.

    Args:
        module: such as partlens.explainer.
    """
    try:
        with _ended_by_ctrl_c():
            yield
    except ImportError as error:
        extra, _ = _extra_of(module)
        raise click.ClickException(f"this command {_to_install(error, extra)}") from error


def _to_install(error: ImportError, extra: str) -> str:
    return (
        f"needs packages that are not installed: {error}. Install them with: {pip_install(extra)}"
    )


def _missing(called: str, module: str, error: ImportError) -> click.Command:
    """A command that fails and says what to install."""
    extra, _ = _extra_of(module)

    def refuse() -> None:
        raise click.ClickException(f"`{called}` {_to_install(error, extra)}")

    return click.Command(
        called.rpartition(" ")[2],
        callback=refuse,
        short_help=_ABSENT,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        add_help_option=False,
    )
