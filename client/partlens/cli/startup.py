"""`partlens bench startup`: start-up time of commands that need no model."""

import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median

import click

from partlens.common.results import json_lines_option, say_result

_DEADLINE = 60
_BARE = ("-c", "import click")
_COMMANDS = ("", "search", "health", "token", "config", "audit", "ingest")


@click.command()
@click.option(
    "--rounds",
    default=15,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Runs of each command.",
)
@json_lines_option
def startup(rounds: int, as_json: bool) -> None:
    """Compare the start-up time of commands that need no model with importing click.

    Each command prints its help in a new process, alternating with `python -c "import click"`. The
    figure is the median ratio.
    """
    for name in _COMMANDS:
        asked = ("-m", "partlens.cli", *name.split(), "--help")
        ratios = [_seconds(asked) / _seconds(_BARE) for _ in range(rounds)]
        command = f"partlens {name + ' ' if name else ''}--help"
        ratio = median(ratios)
        say_result({"command": command, "ratio": ratio}, f"{command}: {ratio:.1f}", as_json=as_json)


def _seconds(arguments: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, timeout=_DEADLINE, check=True
    )
    return time.perf_counter() - start
