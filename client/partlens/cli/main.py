"""The command `partlens`: the group of all commands."""

from importlib.metadata import version

import click

from partlens.cli.commands import Commands
from partlens.cli.table import COMMANDS

main = Commands("partlens", COMMANDS, help="Find every image that contains this part, and see why.")
click.version_option(version("partlens"), prog_name="partlens")(main)
