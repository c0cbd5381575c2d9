"""Contenders in a search benchmark: their speed, and how much of the exact result they find."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from partlens.indexer.bench.synthetic import Query

TOP = 10
_WARM_UP = 5
_ROUNDS = 3


class Contender(Protocol):
    """Something that searches for images; each instance is used by one thread."""

    def search(self, query: Query) -> Sequence[str]:
        """Ids of the best TOP images, best first."""
        ...


class Peer(Contender, Protocol):
    """A contender with adjustable search effort: more effort takes longer and finds more."""

    @property
    def setting(self) -> str:
        """The current search effort, in words; at first as its documentation advises."""
        ...

    def harder(self) -> bool:
        """Double the search effort from now on; False if that is not possible."""
        ...


@dataclass(frozen=True)
class Outcome:
    """Results of a contender.

    Attributes:
        p50_ms, p99_ms: latency in milliseconds.
        queries_per_second: rate of all clients together.
        recall_at_10: fraction of the exact ten best, by the contender's own score, that it found.
        memory_bytes: anonymous memory of its process.
        setting: search effort of a database, in words; "" for contenders without one.
        speedup: queries_per_second divided by that of one client, measured in turn; None if only
            one number of clients was measured.
    """

    p50_ms: float
    p99_ms: float
    queries_per_second: float
    recall_at_10: float
    memory_bytes: int
    setting: str = ""
    speedup: float | None = None


def measure_scaling(
    make: Callable[[], Contender],
    queries: Sequence[Query],
    exact: Mapping[str, Sequence[str]],
    *,
    clients: int,
    memory: Callable[[], int],
) -> Outcome:
    """As measure; with several clients, the median of rounds in turn with rounds of one client."""
    if clients == 1:
        return measure(make, queries, exact, clients=1, memory=memory)
    rounds = [
        [measure(make, queries, exact, clients=count, memory=memory) for count in (1, clients)]
        for _ in range(_ROUNDS)
    ]
    rounds.sort(key=lambda pair: pair[1].queries_per_second / pair[0].queries_per_second)
    one, many = rounds[len(rounds) // 2]
    return replace(many, speedup=many.queries_per_second / one.queries_per_second)


def measure(
    make: Callable[[], Contender],
    queries: Sequence[Query],
    exact: Mapping[str, Sequence[str]],
    *,
    clients: int,
    memory: Callable[[], int],
) -> Outcome:
    """Run every query once, with `clients` concurrent clients.

    Args:
        make: creates a contender for one client.
        queries: the queries.
        exact: id of each query -> ids that an exact search finds.
        clients: number of clients.
        memory: returns the contender's memory in bytes; called after the last query.
    """
    local = threading.local()

    def ask(query: Query) -> tuple[float, Sequence[str]]:
        if not hasattr(local, "contender"):
            local.contender = make()
            for other in queries[:_WARM_UP]:
                local.contender.search(other)
        begun = time.perf_counter()
        found = local.contender.search(query)
        return time.perf_counter() - begun, found

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(ask, queries[:clients]))
        begun = time.perf_counter()
        answers = list(pool.map(ask, queries))
        spent = time.perf_counter() - begun
    p50, p99 = np.percentile([1e3 * seconds for seconds, _ in answers], [50, 99])
    hits = sum(
        len(set(found[:TOP]) & set(exact[query.id][:TOP]))
        for query, (_, found) in zip(queries, answers, strict=True)
    )
    recall = hits / sum(min(TOP, len(exact[query.id])) for query in queries)
    return Outcome(float(p50), float(p99), len(queries) / spent, recall, memory())


def anonymous_bytes(process: int | str = "self") -> int:
    """Anonymous memory of a process (not backed by a file), as the system counts it."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"the system does not report the memory of process {process}")
