"""`partlens index`: the commands of the indexer, and those that need the server's part too."""

from importlib import import_module

import click

from partlens.cli.commands import Commands
from partlens.cli.table import COMMANDS, INDEX


class _Index(Commands):
    """The commands of the table and those of the indexer, which is imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_indexer().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or _indexer().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        click.Group.format_commands(self, ctx, formatter)


def _indexer() -> click.Group:
    found = import_module("partlens.indexer.cli").index
    if not isinstance(found, click.Group):
        raise TypeError("partlens.indexer.cli:index is not a group of commands")
    return found


index = _Index("index", INDEX, help=COMMANDS["index"].summary)
