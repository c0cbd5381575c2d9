"""`partlens index`: the indexer's commands, and those that also need the server's."""

from importlib import import_module

import click

from partlens.cli.commands import Commands
from partlens.cli.table import INDEX

_REST = "partlens.indexer.cli"


class _Index(Commands):
    """The indexer's commands, and those of a table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, in alphabetical order."""
        return sorted({*super().list_commands(ctx), *_rest().commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with this name."""
        return _rest().commands.get(cmd_name) or super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        click.Group.format_commands(self, ctx, formatter)


def _rest() -> click.Group:
    group = import_module(_REST).index
    if not isinstance(group, click.Group):
        raise TypeError(f"{_REST}.index is not a group")
    return group


index = _Index("index", INDEX, help="Create and fill galleries.")
