"""Callers that search all the time; when each search began, and how it ended."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from partlens.client import Box, Client, ClientError, GalleryImageId, SearchAnswer

DEADLINE = 30.0
_PAUSE = 0.1
"""After a search that failed, as a server that is gone refuses thousands of calls a second."""


@dataclass(frozen=True)
class Searched:
    """A search that has ended.

    Attributes:
        begun, ended: of time.monotonic.
        error: "" if the answer was right; "wrong" if it was another than before the faults.
    """

    begun: float
    ended: float
    error: str

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.begun


@dataclass(frozen=True)
class Question:
    """A search for a part of an image of the gallery."""

    id: str
    part: Box

    def ask(self, client: Client) -> SearchAnswer:
        """The best images."""
        return client.search_regions(GalleryImageId(self.id), self.part, maps=())


class Load:
    """What callers saw until now.

    Args:
        right: the ids that each question finds.
    """

    def __init__(self, right: dict[Question, Sequence[str]]) -> None:
        self._right, self._stop = right, threading.Event()
        self._lock, self._searched = threading.Lock(), list[Searched]()

    def since(self, begun: float) -> list[Searched]:
        """Searches that ended after this time, in that order."""
        with self._lock:
            return [one for one in self._searched if one.ended >= begun]

    def run(self, address: str) -> None:
        """Search until `stop`."""
        with Client(address, DEADLINE) as client:
            while True:
                for question in self._right:
                    if self._stop.is_set():
                        return
                    self._ask(client, question)

    def stop(self) -> None:
        """End all callers after their search."""
        self._stop.set()

    def _ask(self, client: Client, question: Question) -> None:
        begun, error = time.monotonic(), ""
        try:
            if _ids(question.ask(client)) != self._right[question]:
                error = "wrong"
        except ClientError as failure:
            error = type(failure).__name__
            time.sleep(_PAUSE)
        with self._lock:
            self._searched.append(Searched(begun, time.monotonic(), error))


@contextmanager
def load(address: str, questions: Sequence[Question], clients: int) -> Iterator[Load]:
    """Search from several clients while the block runs, one search each at a time."""
    with Client(address, DEADLINE) as client:
        made = Load({question: _ids(question.ask(client)) for question in questions})
    threads = [threading.Thread(target=made.run, args=(address,)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.stop()
        for thread in threads:
            thread.join()


def _ids(answer: SearchAnswer) -> list[str]:
    return [] if answer.is_partial else [hit.id for hit in answer.hits]
