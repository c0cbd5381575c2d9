"""Databases measured in a process of their own, asked ever harder until they find enough."""

import multiprocessing
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from partlens.indexer.bench.contenders import Outcome, anonymous_bytes, measure
from partlens.indexer.bench.peers import PEERS, Units
from partlens.indexer.bench.synthetic import Query

_BUILD, _ROUND = 3600.0, 1800.0
"""Seconds that filling a database and one round of all queries may take."""
_PATIENCE = 300.0
"""A round of more seconds is the last: a harder one would take twice as long."""


class PeerError(RuntimeError):
    """A database failed, or took too long."""


def measured(
    peer: str,
    units: Units,
    queries: Sequence[Query],
    exact: Mapping[str, Sequence[str]],
    *,
    clients: int,
    recall: float,
) -> Iterator[Outcome]:
    """First as its documentation sets it up, then twice as hard each time until the recall is met.

    Args:
        units: contributions scaled to length 1, [M, P, D].
        exact: id of each query -> ids that an exact search by MaxSim gives.
        recall: recall@10 at which it ends.

    Raises:
        PeerError: it failed or took too long; what it gave before counts.
    """
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="partlens-bench-") as folder:
        np.save(Path(folder) / "units.npy", units)
        ours, theirs = context.Pipe(duplex=False)
        arguments = (theirs, peer, Path(folder), queries, exact, clients, recall)
        child = context.Process(target=_run, args=arguments, daemon=True)
        child.start()
        theirs.close()
        try:
            limit = _BUILD
            while (outcome := _next(ours, peer, limit)) is not None:
                yield outcome
                limit = _ROUND
        finally:
            child.kill()
            child.join(_ROUND)


def _next(pipe: Connection, peer: str, limit: float) -> Outcome | None:
    if not pipe.poll(limit):
        raise PeerError(f"{peer} gave nothing for {limit:g} s")
    try:
        got = pipe.recv()
    except EOFError:
        raise PeerError(f"{peer} ended its process; memory may have run out") from None
    if isinstance(got, str):
        raise PeerError(f"{peer} failed: {got}")
    return got if isinstance(got, Outcome) else None


def _run(
    pipe: Connection,
    peer: str,
    folder: Path,
    queries: Sequence[Query],
    exact: Mapping[str, Sequence[str]],
    clients: int,
    recall: float,
) -> None:
    """In the child: an Outcome for each effort, then None; or a text that says what failed."""
    try:
        units: Units = np.load(folder / "units.npy", mmap_mode="r")
        before = anonymous_bytes()
        made = PEERS[peer][1](folder, units)
        while True:
            found = measure(
                lambda: made,
                queries,
                exact,
                clients=clients,
                memory=lambda: max(0, anonymous_bytes() - before),
            )
            pipe.send(replace(found, setting=made.setting))
            slow = len(queries) / found.queries_per_second > _PATIENCE
            if found.recall_at_10 >= recall or slow or not made.harder():
                break
        pipe.send(None)
    except BaseException as error:  # also those of Rust, which are no Exception
        pipe.send(f"{type(error).__name__}: {error}")
