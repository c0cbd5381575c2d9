"""Options shared by the commands that take settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--config and --set."""
    command = click.option(
        "--set",
        "texts",
        multiple=True,
        metavar="SECTION.KEY=VALUE",
        help="Change a setting; repeatable. `partlens config docs` lists them.",
    )(command)
    return click.option(
        "--config",
        "file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="TOML file of settings; by default partlens.toml in this folder, if present.",
    )(command)
