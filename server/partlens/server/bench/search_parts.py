"""The parts of a search, measured in turn: FAISS alone, the search in process, and the call."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import get_args

from partlens.indexer.bench.synthetic import Query
from partlens.indexer.gallery.stages import Stage, timed

_WARM_UP = 5
_ROUNDS = 5


@dataclass(frozen=True)
class SearchParts:
    """Where the time of a search goes, in milliseconds: medians over queries of the least of
    several rounds.

    Attributes:
        faiss_ms: the searches of FAISS indexes that a search makes, and nothing else.
        search_ms: the search in process.
        positions_ms, images_ms, merge_ms, score_ms, look_up_ms: its stages; see stages.Stage.
        rest_ms: what no stage of it counts.
        call_ms: the same search through gRPC, with its map and thumbnails.
        health_ms: a health check over the same channel.
        search_ratio: search_ms / faiss_ms.
        call_ratio: how many health checks the call takes beyond 1.5 times faiss_ms.
    """

    faiss_ms: float
    search_ms: float
    positions_ms: float
    images_ms: float
    merge_ms: float
    score_ms: float
    look_up_ms: float
    rest_ms: float
    call_ms: float
    health_ms: float
    search_ratio: float
    call_ratio: float


@dataclass(frozen=True)
class Ways:
    """What is timed for a query.

    Attributes:
        search: searches in process.
        call: searches through gRPC.
        health: asks the server whether it serves.
    """

    search: Callable[[Query], object]
    call: Callable[[Query], object]
    health: Callable[[], object]


def measure(ways: Ways, queries: Sequence[Query]) -> SearchParts | None:
    """Time each way for each query, in turn; None if the searches ask no index of FAISS."""
    for query in queries[:_WARM_UP]:
        _once(ways, query)
    rounds = [[_once(ways, query) for query in queries] for _ in range(_ROUNDS)]
    times = {
        name: 1e3
        * statistics.median(min(row[name] for row in rows) for rows in zip(*rounds, strict=True))
        for name in rounds[0][0]
    }
    if not times["faiss"]:
        return None
    stages = {f"{stage.replace(' ', '_')}_ms": times[stage] for stage in get_args(Stage)}
    return SearchParts(
        faiss_ms=times["faiss"],
        search_ms=times["search"],
        rest_ms=times["rest"],
        call_ms=times["call"],
        health_ms=times["health"],
        search_ratio=times["search"] / times["faiss"],
        call_ratio=(times["call"] - 1.5 * times["faiss"]) / times["health"],
        **stages,
    )


def _once(ways: Ways, query: Query) -> dict[str, float]:
    """The seconds of each way and stage."""
    with timed() as clock:
        alone = _seconds(lambda: ways.search(query))
    spent = {"search": _seconds(lambda: ways.search(query))}
    spent["faiss"] = sum(_seconds(again) for again in clock.faiss)
    spent["health"] = _seconds(ways.health)
    spent["call"] = _seconds(lambda: ways.call(query))
    stages = {stage: clock.seconds.get(stage, 0.0) for stage in get_args(Stage)}
    return {**spent, **stages, "rest": alone - sum(stages.values())}


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def lines(parts: SearchParts) -> Sequence[str]:
    """What was measured, for people."""
    ms = {name.removesuffix("_ms"): value for name, value in asdict(parts).items()}
    return (
        f"search in process {ms['search']:.2f} ms: FAISS {ms['positions']:.2f} (positions) and"
        f" {ms['images']:.2f} (whole images), merging {ms['merge']:.2f}, scoring {ms['score']:.2f},"
        f" looking up {ms['look_up']:.2f}, the rest {ms['rest']:.2f}",
        f"the same searches of FAISS on their own {ms['faiss']:.2f} ms: the search takes"
        f" {parts.search_ratio:.2f} times as long",
        f"through gRPC {ms['call']:.2f} ms, a health check {ms['health']:.2f} ms: the call takes"
        f" 1.5 times FAISS and {parts.call_ratio:.1f} health checks",
    )
