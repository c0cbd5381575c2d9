"""Tables on a terminal, and progress bars; see `terminal`."""

import os
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.progress import Progress
from rich.table import Column
from rich.table import Table as RichTable
from rich.text import Text

from partlens.common.terminal import safe

__all__ = ["Column", "Name", "Table", "progress_bar", "say_table", "shortened"]

_WIDEST = 10_000  # characters of a line in a file
_NARROWEST_NAME = 12


@dataclass(frozen=True)
class Name:
    """A cell with a name, such as an id: shortened in the middle where it would wrap."""

    text: str

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = cell_len(safe(self.text))
        return Measurement(min(width, _NARROWEST_NAME), width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        dots = "..." if options.ascii_only else "\u2026"
        yield Text(shortened(safe(self.text), options.max_width, dots), overflow="fold")


def shortened(text: str, width: int, dots: str = "...") -> str:
    """A text of at most `width` columns of a terminal, without its middle if it is longer.

    The end, which tells most names apart, keeps twice as much as the beginning.

    >>> shortened("gate-7/2026-05-01/000123.jpg", 20)
    'gate-...1/000123.jpg'
    """
    if cell_len(text) <= width:
        return text
    room = max(width - len(dots), 0)
    head = room // 3
    begin, end = set_cell_size(text, head), set_cell_size(text[::-1], room - head)[::-1]
    return f"{begin}{dots}{end}"[: max(width, 0)]


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
