"""A budget never gives out more than it has, and forgets nobody who waits."""

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partlens.common.budget import Budget, Share

WHOLE = 12
ASKED = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, WHOLE)), min_size=1, max_size=30)


class Shared:
    """A budget, and what each request got."""

    def __init__(self, part: int | None = None) -> None:
        self.budget, self.shares, self.order = Budget(WHOLE, part), list[Share](), list[int]()

    def ask(self, owner: str, amount: int) -> None:
        number = len(self.shares)
        self.shares.append(self.budget.ask(owner, amount, lambda: self.order.append(number)))

    def held(self, owner: str = "abc") -> list[int]:
        return [one.amount for one in self.shares if one.held and str(one.owner) in owner]


@given(
    asked=ASKED, part=st.none() | st.integers(1, WHOLE), choose=st.randoms(use_true_random=False)
)
def test_limits_hold_and_everyone_is_served_once(
    asked: list[tuple[str, int]], part: int | None, choose: random.Random
) -> None:
    shared = Shared(part)
    for owner, amount in asked:
        shared.ask(owner, amount)
    while True:
        assert sum(shared.held()) <= WHOLE
        for owner in "abc":
            held = shared.held(owner)
            assert len(held) <= 1 or sum(held) <= (part or WHOLE // 2)
        holding = [one for one in shared.shares if one.held]
        if not holding:
            break
        shared.budget.give_back(choose.choice(holding))
    assert sorted(shared.order) == list(range(len(asked)))
    for owner in "abc":  # each owner's requests in order
        own = [number for number in shared.order if asked[number][0] == owner]
        assert own == sorted(own)


def test_a_second_owner_comes_before_the_rest_of_the_first() -> None:
    shared = Shared()
    for _ in range(16):
        shared.ask("a", WHOLE)
    shared.ask("b", 1)
    shared.budget.give_back(shared.shares[0])
    assert shared.order[:2] == [0, 1]  # b came when it was a's turn
    shared.budget.give_back(shared.shares[1])
    assert shared.order[2] == 16


def test_small_requests_do_not_keep_a_large_one_waiting() -> None:
    shared = Shared()
    shared.ask("a", 6)
    shared.ask("b", WHOLE)
    shared.ask("c", 1)
    assert shared.order == [0]
    shared.budget.give_back(shared.shares[0])
    assert shared.order == [0, 1]


def test_who_leaves_the_queue_loses_its_place_alone() -> None:
    shared = Shared()
    for owner in "abc":
        shared.ask(owner, WHOLE)
    shared.budget.give_back(shared.shares[1])
    shared.budget.give_back(shared.shares[1])
    shared.budget.give_back(shared.shares[0])
    assert shared.order == [0, 2]


def test_nobody_in_particular_may_hold_the_whole_and_takes_turns() -> None:
    budget, order = Budget(WHOLE, 1), list[str]()

    def ask(owner: str | None, amount: int) -> Share:
        return budget.ask(owner, amount, lambda: order.append(owner or "nobody"))

    nobody = [ask(None, WHOLE // 3) for _ in range(4)]
    assert sum(one.amount for one in nobody if one.held) == WHOLE
    ask(None, 1)
    ask("a", 1)
    budget.give_back(nobody[0])
    budget.give_back(nobody[1])
    assert order[3:] == ["nobody", "a", "nobody"]


@pytest.mark.parametrize("amount", [0, -1, WHOLE + 1])
def test_what_can_never_be_granted_is_refused(amount: int) -> None:
    with pytest.raises(ValueError, match=str(amount)):
        Budget(WHOLE).ask("a", amount, lambda: None)


def test_threads_hold_no_more_than_the_whole_together() -> None:
    budget, now, most = Budget(WHOLE), [0], [0]
    lock = threading.Lock()

    def work(amount: int) -> None:
        for _ in range(50):
            with budget.holding(amount):
                with lock:
                    now[0] += amount
                    most[0] = max(most[0], now[0])
                with lock:
                    now[0] -= amount

    threads = [threading.Thread(target=work, args=(amount,)) for amount in (1, 2, 3, 6, 12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads) and 0 < most[0] <= WHOLE
