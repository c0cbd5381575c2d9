"""Draws figures of measurements with matplotlib; needs no display."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from partlens.common.installing import pip_install
from partlens.explainer.errors import ExplainerError

_DASHES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Panel:
    """One diagram of a figure.

    Attributes:
        title, x_label, y_label: its texts.
        x: x values of all its lines, shape [K].
        lines: name -> y values, shape [K]. Each has its own dash, so that equal lines stay visible.
    """

    title: str
    x_label: str
    y_label: str
    x: Sequence[float]
    lines: Mapping[str, Sequence[float]]


def draw(panels: Sequence[Panel], path: Path) -> None:
    """Draw panels side by side, in the format of the path's extension: .png, .svg or .pdf.

    Raises:
        ExplainerError: matplotlib is not installed, the extension is another one, or the path
            cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ExplainerError(
            f"figures need matplotlib ({error}): {pip_install('evaluation')}"
        ) from error
    # As many legend columns as fit below a panel, and room for all their rows.
    columns = [max(1, min(3, 92 // (max(map(len, panel.lines)) + 9))) for panel in panels]
    rows = max(-(-len(panel.lines) // n) for panel, n in zip(panels, columns, strict=True))
    # Not pyplot, which keeps every figure and selects a display.
    figure = Figure(figsize=(5.5 * len(panels), 4.3 + 0.2 * rows), layout="constrained")
    for number, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), number)
        for index, (name, heights) in enumerate(panel.lines.items()):
            width = 3.0 - 1.6 * index / len(panel.lines)
            axes.plot(panel.x, heights, _DASHES[index % len(_DASHES)], lw=width, label=name)
        axes.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
        # Below the panel, where they hide no line.
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.14),
            ncols=columns[number - 1],
            fontsize="x-small",
        )
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise ExplainerError(f"the figure cannot be written to {path}: {error}") from error
