"""Command groups that take commands from every part that is installed, and import none of them."""

from collections.abc import Mapping
from importlib.metadata import entry_points

import click

_EXTRAS = {
    "partlens.explainer": "explainer",
    "partlens.indexer": "indexer,faiss-cpu",
    "partlens.server": "server,faiss-cpu",
}


class Commands(click.Group):
    """Loads a command of another part when it is called, so that none of them is needed here.

    Args:
        entry_point_group: where the parts name their commands in pyproject.toml.
        own: the client's own commands of this group.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        entry_point_group: str,
        own: Mapping[str, click.Command] | None = None,
        help: str | None = None,
    ) -> None:
        super().__init__(name, dict(own or {}), help=help)
        self.entry_point_group = entry_point_group

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of its own and of other parts' commands, in alphabetical order."""
        return sorted({*self.commands, *entry_points(group=self.entry_point_group).names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of the name; a stand-in where its part is not installed."""
        if (own := self.commands.get(cmd_name)) is not None:
            return own
        for entry in entry_points(group=self.entry_point_group, name=cmd_name):
            try:
                command = entry.load()
            except ImportError as error:
                return _missing(f"{ctx.command_path} {cmd_name}", entry.module, error)
            return command if isinstance(command, click.Command) else None
        return None


def _missing(called: str, module: str, error: ImportError) -> click.Command:
    """A command that says what to install."""
    part = ".".join(module.split(".")[:2])
    message = f"`{called}` needs more than the client: {error}."
    if part in _EXTRAS:
        message += f" Install it with: pip install 'partlens[{_EXTRAS[part]}]'"

    def refuse() -> None:
        raise click.ClickException(message)

    return click.Command(
        called.rpartition(" ")[2],
        callback=refuse,
        short_help="(not installed)",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        add_help_option=False,
    )
