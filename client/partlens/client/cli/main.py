"""The command `partlens`: its own commands, and those of the parts that are installed."""

from importlib.metadata import entry_points, version

import click

from partlens.client.cli.explain import explain
from partlens.client.cli.search import search

_OWN: dict[str, click.Command] = {"search": search, "explain": explain}
_EXTRAS = {
    "partlens.explainer": "explainer",
    "partlens.indexer": "indexer,faiss-cpu",
    "partlens.server": "server,faiss-cpu",
}


class Commands(click.Group):
    """Loads a command of another part when it is called, so that none of them is needed here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*_OWN, *entry_points(group="partlens.commands").names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _OWN:
            return _OWN[cmd_name]
        for entry in entry_points(group="partlens.commands", name=cmd_name):
            try:
                command = entry.load()
            except ImportError as error:
                return _missing(cmd_name, entry.module, error)
            return command if isinstance(command, click.Command) else None
        return None


def _missing(name: str, module: str, error: ImportError) -> click.Command:
    """A command that says what to install."""
    part = ".".join(module.split(".")[:2])
    message = f"`partlens {name}` needs more than the client: {error}."
    if part in _EXTRAS:
        message += f" Install it with: pip install 'partlens[{_EXTRAS[part]}]'"

    def refuse() -> None:
        raise click.ClickException(message)

    return click.Command(
        name,
        callback=refuse,
        short_help="(not installed)",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        add_help_option=False,
    )


@click.command(cls=Commands)
@click.version_option(version("partlens"), prog_name="partlens")
def main() -> None:
    """Find every image that contains this part, and see why."""
