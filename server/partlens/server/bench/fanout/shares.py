"""Galleries that each hold a share of a generated one, and the processes that search them."""

import heapq
import multiprocessing
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from partlens.common.filters import Filter
from partlens.explainer.model import MetricModel
from partlens.explainer.scoring import QueryPart
from partlens.indexer.bench.contenders import TOP
from partlens.indexer.bench.synthetic import fill, make_model, thumbnail
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.stages import timed

_START, _ANSWER, _STOP = 300.0, 120.0, 30.0
"""Seconds that opening a gallery, one answer and ending a process may take."""


class ShareError(RuntimeError):
    """A process with a share failed, or took too long."""


class Hit(NamedTuple):
    """A result: minus its score, so that the best one is the least, its id and its map."""

    minus_score: float
    id: str
    map: NDArray[np.float32]


class Answer(NamedTuple):
    """What a share answers to the query of this number, and how long its search took."""

    number: int
    hits: Sequence[Hit]
    search_ms: float


def prepare(folder: Path, images: int, shards: int) -> Sequence[Path]:
    """The galleries below a folder that hold equal shares of `images`; missing ones are filled.

    Args:
        shards: how many galleries; a divisor of `images`.

    Raises:
        IndexerError: a gallery cannot be written.
    """
    model = folder / "model"
    spec = (MetricModel.load(model) if model.exists() else make_model(model)).spec
    each = images // shards
    paths = [folder / str(images) / f"{number + 1}-of-{shards}" for number in range(shards)]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        # Under another name until it is whole: if the run is killed, it is filled again.
        part = path.with_name(f"{path.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.parent.mkdir(parents=True, exist_ok=True)
        with Gallery.create(part, spec) as gallery:
            fill(gallery, each, thumbnail(), first=number * each)
        part.rename(path)
    return paths


@contextmanager
def opened(paths: Sequence[Path]) -> Iterator["Shares"]:
    """A process for each gallery, ready to search.

    Raises:
        ShareError: a process cannot open its gallery.
    """
    context = multiprocessing.get_context("spawn")
    pipes, children = list[Connection](), list[SpawnProcess]()
    try:
        for path in paths:
            ours, theirs = context.Pipe()
            child = context.Process(target=_serve, args=(theirs, path), daemon=True)
            child.start()
            theirs.close()
            pipes.append(ours)
            children.append(child)
        shares = Shares(pipes)
        shares.wait_until_ready()
        yield shares
    finally:
        # They only read; ending in order takes as long as importing.
        for child in children:
            child.kill()
        for child in children:
            child.join(_STOP)
        for pipe in pipes:
            pipe.close()


class Shares:
    """The processes, from the side that asks them."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes = pipes

    def __len__(self) -> int:
        return len(self._pipes)

    def wait_until_ready(self) -> None:
        """Wait until every gallery is open; ShareError if one is not in time."""
        for pipe in self._pipes:
            if not pipe.poll(_START):
                raise ShareError(f"a share was not open within {_START:g} s")
            _received(pipe)

    def ask(self, number: int, part: QueryPart, share: int | None = None) -> None:
        """Send a query to one share, or to all."""
        for pipe in self._pipes if share is None else [self._pipes[share]]:
            pipe.send((number, part))

    def answers(self, seconds: float = _ANSWER) -> Sequence[Answer]:
        """The answers that arrive within so many seconds; returns when there is one."""
        ready = wait(self._pipes, max(0.0, seconds))
        return [_received(pipe) for pipe in ready if isinstance(pipe, Connection)]


def merged(answers: Sequence[Answer]) -> Sequence[Hit]:
    """The best TOP hits of all shares; equal scores in order of id."""
    return heapq.nsmallest(TOP, (hit for one in answers for hit in one.hits), lambda hit: hit[:2])


def _received(pipe: Connection) -> Answer:
    try:
        got = pipe.recv()
    except EOFError:
        raise ShareError("the process of a share died; memory may have run out") from None
    if isinstance(got, str):
        raise ShareError(f"a share failed: {got}")
    return got if isinstance(got, Answer) else Answer(-1, (), 0.0)


def _serve(pipe: Connection, path: Path) -> None:
    """In a process of its own: search one gallery until the pipe closes."""
    asked = SimpleQueue[tuple[int, QueryPart] | None]()
    try:
        with Gallery.open(path) as gallery:
            gallery.view.prepare()
            pipe.send(None)
            # Read at once: else both sides could wait for each other with full pipes.
            threading.Thread(target=_read, args=(pipe, asked), daemon=True).start()
            while (query := asked.get()) is not None:
                pipe.send(_answer(gallery, *query))
    except ConnectionError:
        return  # nobody waits for the answer any more
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")


def _read(pipe: Connection, asked: "SimpleQueue[tuple[int, QueryPart] | None]") -> None:
    try:
        while True:
            asked.put(pipe.recv())
    except (EOFError, OSError):
        asked.put(None)


def _answer(gallery: Gallery, number: int, part: QueryPart) -> Answer:
    begun = time.perf_counter()
    with timed():  # keeps the search on one thread, as the simulation has it
        found = gallery.view.search([part], "context", Filter(), TOP)
    took = 1e3 * (time.perf_counter() - begun)
    return Answer(number, [Hit(-one.score, one.id, one.map) for one in found], took)
