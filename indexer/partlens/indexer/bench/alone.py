"""Measures databases, each in its own process, with rising search effort until recall is met."""

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
"""Time limits in seconds: for filling a database, and for one round of all queries."""
_PATIENCE = 300.0
"""A round longer than this many seconds is the last, since the next would take twice as long."""


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
    """Measure a database as its documentation advises, then double the effort until recall is met.

    Args:
        peer: name of the database.
        units: contributions scaled to length 1, [M, P, D].
        queries: the queries to run.
        exact: id of each query -> ids that an exact search by MaxSim finds.
        clients: number of concurrent clients.
        recall: target recall@10.

    Raises:
        PeerError: the database failed or took too long; earlier results are valid.
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
        raise PeerError(f"{peer} gave no result within {limit:g} s")
    try:
        got = pipe.recv()
    except EOFError:
        raise PeerError(f"the process of {peer} died; memory may have run out") from None
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
    """In the child process: sends an Outcome per effort, then None; or the error as a text."""
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
    except BaseException as error:  # Rust panics are not an Exception
        pipe.send(f"{type(error).__name__}: {error}")
