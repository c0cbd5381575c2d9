"""Tables on a terminal, and progress bars; see `terminal`."""

import os
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Column
from rich.table import Table as RichTable
from rich.text import Text

from partlens.common.terminal import safe

__all__ = ["Column", "Table", "progress_bar", "say_table"]

_WIDEST = 10_000  # characters of a line in a file


class Table(RichTable):
    """A table of texts: nothing in them is markup, or commands the terminal."""

    def add_column(self, header: Any = "", *more: Any, **options: Any) -> None:
        """Add a column; see rich.table.Table."""
        super().add_column(_cell(header), *more, **options)

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row; see rich.table.Table."""
        super().add_row(*(_cell(one) for one in cells), **options)


def say_table(table: Table) -> None:
    """Print a table to standard output: as wide as the terminal, or in a file as wide as it is."""
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        wide = console.options.update(max_width=_WIDEST)
        console.width = max(console.width, console.measure(table, options=wide).maximum)
    console.print(table)


def progress_bar(*columns: Any) -> Progress:
    """A progress bar on standard error."""
    return Progress(*columns, console=Console(stderr=True))


def _cell(value: Any) -> Any:
    return Text(safe(value), overflow="fold") if isinstance(value, str) else value
