"""An amount of something, such as memory, shared fairly by owners who wait for their turn."""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(eq=False)
class Share:
    """A part of a budget that an owner holds or waits for.

    Attributes:
        owner: who gets it; None for nobody in particular.
        amount: how much.
        granted: called once, when the owner gets it; must not block or use the budget.
        held: whether the owner has it.
    """

    owner: Hashable
    amount: int
    granted: Callable[[], None]
    held: bool = False


class Budget:
    """Shares an amount among owners. Safe to use from threads.

    Owners take turns, each with its own requests in order. An owner holds at most its part of the
    amount, or one share of any size; its other requests wait without stopping anyone. The owner
    whose turn it is waits for the room that it needs, and the others wait behind it, so that small
    requests cannot keep a large one waiting forever. Requests of nobody in particular (None) take
    turns as one owner, who may hold the whole.

    Args:
        whole: the amount; a request for more is never granted.
        part: most that one owner holds in several shares; None for half.
    """

    def __init__(self, whole: int, part: int | None = None) -> None:
        self.whole = whole
        self._part = whole // 2 if part is None else part
        self._free = whole
        self._held: dict[Hashable, int] = {}
        self._waiting: dict[Hashable, deque[Share]] = {}  # in order of turns
        self._lock = threading.Lock()

    def ask(self, owner: Hashable, amount: int, granted: Callable[[], None]) -> Share:
        """Ask for a share; give it back in the end, whether it was granted or not.

        Raises:
            ValueError: the amount is below 1, or more than the whole.
        """
        if not 1 <= amount <= self.whole:
            raise ValueError(f"{amount} of {self.whole} cannot be granted")
        share = Share(owner, amount, granted)
        with self._lock:
            self._waiting.setdefault(owner, deque()).append(share)
            self._grant()
        return share

    def give_back(self, share: Share) -> None:
        """Return a share, or leave the queue; does nothing the second time."""
        with self._lock:
            if share.held:
                share.held = False
                self._free += share.amount
                left = self._held[share.owner] - share.amount
                self._held[share.owner] = left
                if not left:
                    del self._held[share.owner]
            else:
                self._leave(share)
            self._grant()

    @contextmanager
    def holding(self, amount: int) -> Iterator[None]:
        """Hold a share, for nobody in particular; waits on this thread until it is granted."""
        turn = threading.Event()
        share = self.ask(None, amount, turn.set)
        try:
            turn.wait()
            yield
        finally:
            self.give_back(share)

    def _leave(self, share: Share) -> None:
        queue = self._waiting.get(share.owner)
        if queue is not None and share in queue:
            queue.remove(share)
            if not queue:
                del self._waiting[share.owner]

    def _grant(self) -> None:
        """Grant what there is room for, in turn."""
        while (share := self._next()) is not None and share.amount <= self._free:
            queue = self._waiting.pop(share.owner)
            queue.popleft()
            if queue:
                self._waiting[share.owner] = queue  # behind the others
            self._free -= share.amount
            self._held[share.owner] = self._held.get(share.owner, 0) + share.amount
            share.held = True
            share.granted()

    def _next(self) -> Share | None:
        """The first request, in order of turns, that is within what its owner may hold."""
        for owner, queue in self._waiting.items():
            held = self._held.get(owner, 0)
            if owner is None or not held or held + queue[0].amount <= self._part:
                return queue[0]
        return None
