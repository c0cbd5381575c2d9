"""Draws docs/figures/fanout.svg: p99 of searches by shard count, simulated and measured.

Reads the measured times that come with `partlens bench fanout`; takes a minute. Without measured
runs, only the simulation is drawn. The figure is the same every time.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from partlens.server.bench.fanout.arguments import AT_ONCE, COSTS, TROUBLE
from partlens.server.bench.fanout.cluster import Cluster, Load
from partlens.server.bench.fanout.comparison import compared
from partlens.server.bench.fanout.measured import Measured, read
from partlens.server.bench.fanout.outcome import Case, outcome

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "fanout.svg"
IMAGES, RATE, QUERIES = 100_000_000, 2.0, 600
SHARDS = tuple(2**power for power in range(7))
HEDGE_MS = 100.0


def measured_panel(axes: Axes, measured: Measured) -> None:
    """Runs on one machine: lines for the simulation, crosses for what was measured."""
    found = compared(measured, seed=0)
    for colour, rate in enumerate(sorted({one.per_second for one in found})):
        rows = [one for one in found if one.per_second == rate]
        shards = [one.shards for one in rows]
        style = f"C{colour}"
        label = f"{rate:g} queries/s"
        axes.plot(shards, [one.predicted_p99_ms for one in rows], style, label=label)
        axes.plot(shards, [one.measured_p99_ms for one in rows], "x", color=style)
    axes.set_title(f"{measured.images:,} images on {measured.cores} cores; x measured")
    _finish(axes, [one.shards for one in found])


def simulated_panel(axes: Axes, measured: Measured) -> None:
    """100 million images, with and without what lengthens and shortens the tail."""
    load = Load(RATE, QUERIES)
    base = Case(measured.service(), IMAGES, Cluster(1, cores=AT_ONCE), COSTS, TROUBLE, load)
    cases: Mapping[str, Case] = {
        "as assumed": base,
        f"hedged after {HEDGE_MS:g} ms": replace(base, trouble=replace(TROUBLE, hedge_ms=HEDGE_MS)),
        "no stragglers": replace(base, trouble=replace(TROUBLE, straggling=0.0)),
        "a tenth of the front's work for a call": replace(
            base, costs=replace(COSTS, call_ms=COSTS.call_ms / 10)
        ),
    }
    for dash, (label, case) in zip(("-", "--", ":", "-."), cases.items(), strict=True):
        axes.plot(SHARDS, [outcome(case, shards).p99_ms for shards in SHARDS], dash, label=label)
    axes.set_title(f"{IMAGES:,} images, {RATE:g} queries/s, simulated")
    _finish(axes, SHARDS)


def _finish(axes: Axes, shards: list[int] | tuple[int, ...]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(set(shards)), [str(one) for one in sorted(set(shards))])
    axes.set(xlabel="shards", ylabel="p99, milliseconds")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize="x-small")


def main() -> int:
    """Draw the figure; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FIGURE, help="file to draw into")
    given = parser.parse_args()
    matplotlib.rcParams["svg.hashsalt"] = "partlens"  # equal names of its parts each time
    measured = read(None)
    panels = [measured_panel, simulated_panel] if measured.runs else [simulated_panel]
    figure = Figure(figsize=(5.5 * len(panels), 4.5), layout="constrained")
    for number, draw in enumerate(panels, start=1):
        draw(figure.add_subplot(1, len(panels), number), measured)
    figure.savefig(given.out, metadata={"Date": None})
    print(f"{given.out}: {given.out.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
