"""Results of the commands of this folder, as tables for people or as JSON."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from partlens.common.results import say_json
from partlens.common.tables import Table, say_table
from partlens.common.terminal import say
from partlens.server.bench.fanout.comparison import Comparison
from partlens.server.bench.fanout.estimates import Estimate
from partlens.server.bench.fanout.outcome import Outcome


def show(facts: object, table: Table, *lines: str, as_json: bool) -> None:
    """Print a result: the facts as JSON, or the table and the lines after it."""
    if as_json:
        say_json(_plain(facts))
        return
    say_table(table)
    for line in lines:
        say(line)


def outcomes(found: Sequence[Outcome]) -> Table:
    """One row for each number of shards."""
    table = _table(
        *("shards", "images each", "replicas", "nodes", "one search"),
        *("p50", "p99", "nodes busy", "front busy", "second calls", "failed"),
    )
    for one in found:
        table.add_row(
            f"{one.shards}",
            f"{one.images:,}",
            f"{one.replicas}",
            f"{one.nodes}",
            _ms(one.search_ms),
            "overloaded" if one.overloaded else _ms(one.p50_ms),
            "overloaded" if one.overloaded else _ms(one.p99_ms),
            _percent(one.utilisation),
            _percent(one.front_utilisation),
            f"{one.second_calls:.1%}",
            f"{one.failed}",
        )
    return table


def aim(met: Mapping[int, Outcome | None], best: Outcome | None, aim_ms: float) -> Iterator[str]:
    """Which numbers of shards cannot keep to an aim, and which needs the fewest nodes."""
    missed = ", ".join(str(shards) for shards, one in met.items() if one is None)
    if missed:
        yield f"No number of replicas keeps p99 to {aim_ms:g} ms with these shards: {missed}"
    if best is not None:
        yield (
            f"Fewest nodes: {best.nodes}, with {best.shards} shards of {best.replicas} replicas"
            f" (p99 {best.p99_ms:.0f} ms)"
        )


def comparisons(found: Sequence[Comparison]) -> Table:
    """One row for each measured run."""
    table = _table(
        *("shards", "queries/s", "p50 measured", "predicted", "ratio"),
        *("p99 measured", "predicted", "ratio"),
    )
    for one in found:
        table.add_row(
            f"{one.shards}",
            f"{one.per_second:g}",
            _ms(one.measured_p50_ms),
            _ms(one.predicted_p50_ms),
            f"{one.p50_ratio:.2f}",
            _ms(one.measured_p99_ms),
            _ms(one.predicted_p99_ms),
            f"{one.p99_ratio:.2f}",
        )
    return table


def estimates(made: Sequence[Estimate]) -> Table:
    """One column for each gallery."""
    table = Table(box=None)
    table.add_column("images")
    for one in made:
        table.add_column(f"{one.images:,}", justify="right")
    rows = [list(_estimated(one)) for one in made]
    for cells in zip(*rows, strict=True):
        table.add_row(cells[0][0], *(value for _, value in cells))
    return table


def _estimated(one: Estimate) -> Iterator[tuple[str, str]]:
    found = one.outcome
    yield "shards x replicas", "one machine" if one.one_machine else _times(found)
    yield "nodes, with the front", f"{one.nodes}"
    yield "images of a shard", f"{found.images:,}"
    yield "truth", _bytes(one.truth_bytes)
    yield "segments, one copy", _bytes(one.segment_bytes)
    yield "indexes, one copy", _bytes(one.index_bytes)
    yield "index of positions", one.positions_factory
    yield "memory of the indexes of a replica", _bytes(one.replica_memory_bytes)
    yield "disk of a replica", _bytes(one.replica_disk_bytes)
    yield "catalogue in the front's memory", _bytes(one.catalogue_bytes)
    yield "contributions read from disk", _percent(one.cold)
    yield "recall@10, about", "unknown" if one.recall_at_10 is None else f"{one.recall_at_10:.2f}"
    yield "one shard's search", _ms(found.search_ms)
    yield "p50 of a query", _ms(found.p50_ms)
    yield "p99 of a query", _ms(found.p99_ms)
    yield "aim", "met" if one.meets_aim else "not met"
    yield "indexing all images", _hours(one.indexing_hours)
    yield "bringing up a replica", f"{one.shard_minutes:,.0f} min"
    yield "cost of a month", f"{one.month_cost:,.0f}"
    for name, use in one.uses.items():
        yield f"{name} in use", _percent(use)
    yield "first limit", one.limit


def _table(*names: str) -> Table:
    table = Table(box=None)
    for name in names:
        table.add_column(name, justify="right")
    return table


def _times(found: Outcome) -> str:
    return f"{found.shards} x {found.replicas}"


def _ms(value: float) -> str:
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.0f} days"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB" if count < 1000 else f"{count / 1000:,.3g} PB"


def _plain(facts: Any) -> Any:
    """Plain values; a number that is not finite, which JSON has no word for, becomes null."""
    if is_dataclass(facts) and not isinstance(facts, type):
        return _plain(asdict(facts))
    if isinstance(facts, Mapping):
        return {str(name): _plain(one) for name, one in facts.items()}
    if isinstance(facts, list | tuple):
        return [_plain(one) for one in facts]
    if isinstance(facts, float) and not math.isfinite(facts):
        return None
    return facts
