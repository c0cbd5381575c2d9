"""Measures shards on this machine: each alone, and all of them asked at once."""

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from partlens.common.compute import cores
from partlens.indexer.bench.synthetic import DIMENSIONS, GRID, Query, queries
from partlens.indexer.gallery import Gallery
from partlens.server.bench.fanout import shares
from partlens.server.bench.fanout.measured import Measured, MeasuredRun
from partlens.server.bench.fanout.shares import Answer, ShareError, Shares

_WARM_UP = 10
_LONGEST = 600.0
"""Seconds without an answer that end a run."""


def measure(
    folder: Path,
    images: int,
    shards: Sequence[int],
    rates: Sequence[float],
    count: int,
    rounds: int,
) -> Measured:
    """Search the shares of a generated gallery: one alone, and all of them at once.

    Args:
        folder: where the shares are, or are created.
        images: of all shares together.
        shards: into how many shares; each a divisor of `images`.
        rates: queries a second of each run.
        count: queries of a run.
        rounds: how often everything is measured; of each time the least is kept, as other programs
            may have disturbed the others.

    Raises:
        IndexerError: a gallery cannot be written or read.
        ShareError: a process with a share failed.
    """
    paths = {number: shares.prepare(folder, images, number) for number in shards}
    with Gallery.open(paths[min(shards)][0]) as gallery:
        asked = list(queries(gallery, count))
    alone, hops, calls = dict[int, list[float]](), list[float](), list[float]()
    runs = list[MeasuredRun]()
    for number in shards:
        # One after another: all of them together may not fit into memory.
        with shares.opened(paths[number]) as opened:
            _one_by_one(opened, asked[:_WARM_UP])
            begun = time.process_time()
            turns = [_one_by_one(opened, asked) for _ in range(rounds)]
            calls.append(1e3 * (time.process_time() - begun) / (rounds * len(asked) * number))
            searches, ways = np.min(turns, axis=0).T
            alone[images // number] = searches.tolist()
            hops += ways.tolist()
            for rate in rates:
                least = np.min([_arriving(opened, asked, rate) for _ in range(rounds)], axis=0)
                runs.append(MeasuredRun(number, rate, least.tolist()))
    return Measured(
        cores=cores(),
        positions=GRID[0] * GRID[1],
        dimensions=DIMENSIONS,
        images=images,
        alone=alone,
        hops=hops,
        call_ms=min(calls),
        runs=runs,
    )


def _one_by_one(asked: Shares, queries: Sequence[Query]) -> Sequence[tuple[float, float]]:
    """The milliseconds of each search and of the way there and back; one share at a time."""
    found = list[tuple[float, float]]()
    for number, query in enumerate(queries):
        for share in range(len(asked)):
            begun = time.perf_counter()
            asked.ask(number, query.part, share)
            answers = asked.answers()
            took = 1e3 * (time.perf_counter() - begun)
            if not answers:
                raise ShareError("a share did not answer in time")
            found.append((answers[0].search_ms, took - answers[0].search_ms))
    return found


def _arriving(asked: Shares, queries: Sequence[Query], per_second: float) -> Sequence[float]:
    """The milliseconds of each query until its merged answer.

    They arrive at random moments, the same in each round.
    """
    gaps = np.random.default_rng(0).exponential(1 / per_second, len(queries))
    begun = time.perf_counter()
    due = list(begun + np.cumsum(gaps))
    parts, took = defaultdict[int, list[Answer]](list), dict[int, float]()
    sent = 0
    while len(took) < len(queries):
        now = time.perf_counter()
        if sent < len(due) and now >= due[sent]:
            asked.ask(sent, queries[sent].part)
            sent += 1
            continue
        answers = asked.answers(due[sent] - now if sent < len(due) else _LONGEST)
        if not answers and sent == len(due):
            raise ShareError(f"no answer within {_LONGEST:g} s")
        for answer in answers:
            parts[answer.number].append(answer)
            if len(parts[answer.number]) == len(asked):
                shares.merged(parts.pop(answer.number))
                took[answer.number] = 1e3 * (time.perf_counter() - due[answer.number])
    return [took[number] for number in range(len(queries))]
