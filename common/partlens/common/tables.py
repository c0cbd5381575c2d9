"""Tables on a terminal, and progress bars; see `terminal`."""

from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Column
from rich.table import Table as RichTable
from rich.text import Text

from partlens.common.terminal import safe

__all__ = ["Column", "Table", "progress_bar", "say_table"]


class Table(RichTable):
    """A table of texts: nothing in them is markup, or commands the terminal."""

    def add_column(self, header: Any = "", *more: Any, **options: Any) -> None:
        """Add a column; see rich.table.Table."""
        super().add_column(_cell(header), *more, **options)

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row; see rich.table.Table."""
        super().add_row(*(_cell(one) for one in cells), **options)


def say_table(table: Table) -> None:
    """Print a table to standard output, as wide as the terminal."""
    Console().print(table)


def progress_bar(*columns: Any) -> Progress:
    """A progress bar on standard error."""
    return Progress(*columns, console=Console(stderr=True))


def _cell(value: Any) -> Any:
    return Text(safe(value), overflow="fold") if isinstance(value, str) else value
