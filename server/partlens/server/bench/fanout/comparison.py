"""Predictions of measured runs, from the times of each shard alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partlens.server.bench.fanout.cluster import Cluster, Costs, Hop, Load, Trouble
from partlens.server.bench.fanout.measured import Measured, MeasuredError, MeasuredRun
from partlens.server.bench.fanout.outcome import Case, Outcome, outcome

_QUERIES = 4000
_LEAST_MS = 0.01


@dataclass(frozen=True)
class Comparison:
    """A measured run, and what the simulation gives for it.

    Attributes:
        shards, per_second: of the run.
        measured_p50_ms, measured_p99_ms: latency of its searches.
        predicted_p50_ms, predicted_p99_ms: the same by simulation.
        p50_ratio, p99_ratio: predicted divided by measured.
    """

    shards: int
    per_second: float
    measured_p50_ms: float
    measured_p99_ms: float
    predicted_p50_ms: float
    predicted_p99_ms: float
    p50_ratio: float
    p99_ratio: float


def compared(measured: Measured, seed: int) -> Sequence[Comparison]:
    """Predict each run from searches of its shards alone.

    Raises:
        MeasuredError: shards of a run's size were not measured alone.
    """
    return [_compared(measured, run, seed) for run in measured.runs]


def hop(measured: Measured) -> Hop:
    """The calls to shards as they were measured."""
    low, high = np.percentile(measured.hops, [5, 95])
    return Hop(max(float(low), _LEAST_MS), max(float(high), _LEAST_MS))


def _compared(measured: Measured, run: MeasuredRun, seed: int) -> Comparison:
    found = _predicted(measured, run, seed)
    p50, p99 = (float(one) for one in np.percentile(run.milliseconds, [50, 99]))
    return Comparison(
        run.shards,
        run.per_second,
        p50,
        p99,
        found.p50_ms,
        found.p99_ms,
        found.p50_ms / p50,
        found.p99_ms / p99,
    )


def _predicted(measured: Measured, run: MeasuredRun, seed: int) -> Outcome:
    each = measured.images // run.shards
    if each not in measured.alone:
        raise MeasuredError(
            f"a run has {run.shards} shards of {each} images, but `alone` lists"
            f" {', '.join(map(str, sorted(measured.alone)))}"
        )
    case = Case(
        measured.service(each),
        each * run.shards,
        # Each shard is one process that does one search at a time; all share the machine's cores.
        Cluster(run.shards, replicas=1, cores=measured.cores, nodes=1, slots=1),
        Costs(hop(measured), call_ms=measured.call_ms),
        Trouble(),
        Load(run.per_second, _QUERIES, seed),
    )
    return outcome(case, run.shards)
