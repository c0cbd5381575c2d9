"""Paths on this machine, told from URLs, which would become folders with odd names."""

from pathlib import Path
from typing import Any

import click

from partlens.common.bucket_address import LOCAL, is_url


class LocalPath(click.Path):
    """click.Path as pathlib.Path, without URLs."""

    def __init__(self, *, exists: bool = False, file_okay: bool = True, dir_okay: bool = True):
        super().__init__(exists=exists, file_okay=file_okay, dir_okay=dir_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse a path."""
        if isinstance(value, str) and is_url(value):
            scheme = value.partition(":")[0]
            self.fail(f"{scheme}:... {LOCAL}", param, ctx)
        return super().convert(value, param, ctx)
