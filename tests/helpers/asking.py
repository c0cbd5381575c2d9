"""Callers that search all the time, and compare every answer with the right one."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import pytest

from partlens.client import Box, Client, ClientError, SearchAnswer, Upload
from partlens.testing.people import TestImage

ADDED = "added-"
"""Beginning of the ids of images that are uploaded meanwhile, which are left out of comparisons."""
DEADLINE = 30.0
_ALL = 100
_END = 60.0

Ranking = Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Question:
    """A search for a part of a picture."""

    picture: Path
    part: Box

    def ask(self, client: Client) -> SearchAnswer:
        """Every image of the gallery, best first."""
        return client.search_regions(self.picture, self.part, page_size=_ALL)


def questions_about(images: Sequence[TestImage]) -> list[Question]:
    """Two of each image."""
    return [
        Question(image.path, part)
        for image in images
        for part in list(image.parts.values())[:2]
    ]  # fmt: skip


def ranking(answer: SearchAnswer) -> Ranking:
    """Ids and scores without the images that were added."""
    return [(hit.id, hit.score) for hit in answer.hits if not hit.id.startswith(ADDED)]


def right_answers(client: Client, asked: Sequence[Question]) -> Mapping[Question, Ranking]:
    """The answers of a server that no fault has met."""
    return {question: ranking(question.ask(client)) for question in asked}


@dataclass
class Tally:
    """What callers saw.

    Attributes:
        right: number of right answers.
        longest: seconds of the slowest of them.
        wrong: what was wrong with the others.
        failed: errors.
    """

    right: int = 0
    longest: float = 0.0
    wrong: list[str] = field(default_factory=list)
    failed: list[ClientError] = field(default_factory=list)


class Asking:
    """Two callers that search as long as the block runs.

    Attributes:
        tally: of them all, until now.
    """

    def __init__(self, address: str, right: Mapping[Question, Ranking]) -> None:
        self.tally, self._address, self._right = Tally(), address, right
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(2)]

    def __enter__(self) -> "Asking":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(_END)
            assert not thread.is_alive(), "a search has not ended"

    def go_on(self, answers: int, seconds: float = _END) -> None:
        """Wait for this many more right answers."""
        enough = self.tally.right + answers
        wait_until(lambda: self.tally.right >= enough, seconds, lambda: f"{self.tally}")

    def go_on_for(self, seconds: float) -> None:
        """Wait for this time, in which answers must keep coming."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.go_on(1)

    def require_faultless(self) -> None:
        """Fail if any search failed, or any answer was wrong or incomplete."""
        assert not self.tally.failed and not self.tally.wrong, self.tally
        assert self.tally.right > 0

    def _run(self) -> None:
        with Client(self._address, DEADLINE) as client:
            while True:
                for question, right in self._right.items():
                    if self._stop.is_set():
                        return
                    self._ask(client, question, right)

    def _ask(self, client: Client, question: Question, right: Ranking) -> None:
        begun = time.monotonic()
        try:
            answer = question.ask(client)
        except ClientError as error:
            with self._lock:
                self.tally.failed.append(error)
            time.sleep(0.1)  # a server that is gone refuses thousands of calls a second
            return
        spent, fault = time.monotonic() - begun, _fault(answer, right)
        with self._lock:
            if fault is not None:
                self.tally.wrong.append(fault)
                return
            self.tally.right += 1
            self.tally.longest = max(self.tally.longest, spent)


def _fault(answer: SearchAnswer, right: Ranking) -> str | None:
    """What is wrong with an answer."""
    found = ranking(answer)
    if answer.is_partial or answer.shards_ok != answer.shards_total:
        return f"{answer.shards_ok} of {answer.shards_total} shards"
    if [id for id, _ in found] != [id for id, _ in right]:
        return f"found {found}, not {right}"
    if [score for _, score in found] != pytest.approx([score for _, score in right], abs=1e-6):
        return f"scores {found}, not {right}"
    return None


class Changing:
    """Uploads and deletions by one caller while the block runs.

    Attributes:
        there, gone: ids whose upload or deletion was acknowledged.
        unknown: ids of calls that failed, which may be there or not.
    """

    def __init__(self, address: str, picture: Path, name: str) -> None:
        self.there, self.gone, self.unknown = set[str](), set[str](), set[str]()
        self._address, self._picture = address, picture
        self._name, self._stop = name, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Changing":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(2 * _END)
        assert not self._thread.is_alive(), "a change has not ended"

    def go_on(self, changes: int) -> None:
        """Wait for this many more acknowledged uploads and deletions."""
        enough = len(self.there) + len(self.gone) + changes
        wait_until(lambda: len(self.there) + len(self.gone) >= enough, _END)

    def require_kept(self, client: Client, question: Question, seconds: float) -> None:
        """Fail unless searches find what was added, and soon no longer what was deleted."""

        def found() -> set[str]:
            return {hit.id for hit in question.ask(client).hits if hit.id.startswith(self._prefix)}

        def is_kept() -> bool:
            return found() - self.unknown == self.there

        assert self.there and self.gone
        wait_until(is_kept, seconds, lambda: f"found {found()}, not {self.there}")

    def clear(self, client: Client) -> None:
        """Delete what was added."""
        client.delete_images(sorted(self.there | self.unknown))

    @property
    def _prefix(self) -> str:
        return f"{ADDED}{self._name}-"

    def _run(self) -> None:
        number = 0
        with Client(self._address, DEADLINE) as client:
            while not self._stop.wait(0.5):
                id = f"{self._prefix}{number}"
                number += 1
                try:
                    assert client.upsert_image(Upload(id, self._picture)).committed
                    if number % 2:
                        self.there.add(id)
                    else:
                        assert client.delete_images([id]) == 1
                        self.gone.add(id)
                except ClientError:
                    self.unknown.add(id)


def wait_until(
    met: Callable[[], bool], seconds: float, otherwise: Callable[[], str] | None = None
) -> None:
    """Wait for a condition, and fail if it is not met in time."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, otherwise() if otherwise else f"not within {seconds} s"
        time.sleep(0.1)
