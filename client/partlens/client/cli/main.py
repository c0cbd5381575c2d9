"""The command `partlens`: its own commands, and those of the parts that are installed."""

from importlib.metadata import version

import click

from partlens.client.cli.commands import Commands
from partlens.client.cli.explain import explain
from partlens.client.cli.health import health
from partlens.client.cli.search import search
from partlens.client.cli.standing import standing

_bench = Commands(
    "bench",
    entry_point_group="partlens.bench",
    help="Measure what things cost, as ratios of times taken side by side in one run.",
)

main = Commands(
    "partlens",
    entry_point_group="partlens.commands",
    own={
        "search": search,
        "explain": explain,
        "standing": standing,
        "health": health,
        "bench": _bench,
    },
    help="Find every image that contains this part, and see why.",
)
click.version_option(version("partlens"), prog_name="partlens")(main)
