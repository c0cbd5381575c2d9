"""One caller's share leaves room for others, and nothing remembers callers that are gone."""

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial
from types import SimpleNamespace

import pytest
from prometheus_client import Gauge
from tests.server.conftest import DEADLINE

from partlens.common.budget import Budget
from partlens.runtime.config.sections import LimitsSection
from partlens.server.caller.caller import Caller
from partlens.server.calls.call import Call
from partlens.server.errors import OverloadedError, RateError
from partlens.server.handlers.inbox import Inbox
from partlens.server.limits.admission import Admission
from partlens.server.limits.holders import Holders
from partlens.server.limits.rate import Buckets, Rate
from partlens.server.limits.shares import obtained
from partlens.server.limits.turns import Turns
from partlens.v1.gallery_service_pb2 import UpsertImagesRequest

SEARCH = "/partlens.v1.PartSearchService/SearchRegions"


def call(token: str, peer: str = "ipv4:127.0.0.1:1") -> Call:
    return Call(SEARCH, "unary", {}, peer, "id", Caller(token=token))


async def admitted(admission: Admission, *calls: Call) -> int:
    """How many of these calls get a place while all stay in progress."""
    inside, may_go, count = asyncio.Semaphore(0), asyncio.Event(), 0

    async def hold(one: Call) -> None:
        nonlocal count
        try:
            async with admission.around(one):
                count += 1
                inside.release()
                await may_go.wait()
        except OverloadedError:
            inside.release()

    async with asyncio.TaskGroup() as group:
        for one in calls:
            group.create_task(hold(one))
        for _ in calls:
            await asyncio.wait_for(inside.acquire(), DEADLINE)
        may_go.set()
    return count


@pytest.fixture
def admission() -> Admission:
    limits = LimitsSection(concurrent_calls=8, token_share=0.5, network_share=0.75)
    return Admission(limits, Gauge("calls", "", ["kind"], registry=None))


async def test_one_token_leaves_places_for_others(admission: Admission) -> None:
    assert await admitted(admission, *[call("busy")] * 9) == 4
    assert await admitted(admission, *[call("busy")] * 9, *[call("calm")] * 9) == 8


async def test_one_network_leaves_places_for_others(admission: Admission) -> None:
    far = [call(f"t{n}", f"ipv4:192.0.2.1:{n}") for n in range(9)]
    site = [call(f"t{n}", f"ipv6:%5B2001:db8::{n:x}%5D:9") for n in range(9)]
    assert await admitted(admission, *far) == await admitted(admission, *site) == 6
    assert await admitted(admission, *far, *site) == 8
    here = [call("", f"unix:{n}") for n in range(9)]
    assert await admitted(admission, *here) == 8


async def test_places_come_back_and_callers_are_forgotten(admission: Admission) -> None:
    for n in range(50):
        assert await admitted(admission, call(f"t{n}", f"ipv4:192.0.2.{n}:1")) == 1
    await asyncio.wait_for(admission.idle(), DEADLINE)
    places = admission._places["call"]
    assert len(places.tokens) == len(places.networks) == places.now == 0


def test_holders_remember_only_those_that_hold_something() -> None:
    holders = Holders(2)
    for n in range(100):
        holders.take(f"{n}")
        holders.give(f"{n}")
    assert len(holders) == 0 and not holders.full("1")


async def test_the_rate_forgets_tokens_that_paused() -> None:
    now = SimpleNamespace(at=0.0)
    buckets = Buckets(10, 2, clock=lambda: now.at)
    for n in range(20_000):
        now.at += 0.01
        buckets.take(f"token {n}")
    assert len(buckets) < 3000
    for _ in range(2):
        assert not buckets.empty("again") and not buckets.take("again")
    assert buckets.empty("again")
    with pytest.raises(RateError):
        async with Rate(buckets).around(call("again")):
            pass
    now.at += 0.11
    assert not buckets.empty("again") and not buckets.take("again")


async def test_a_holder_with_much_work_waits_for_itself() -> None:
    turns, may_go = Turns("t", 3), threading.Event()
    done, running = list[str](), list[str]()

    def work(name: str) -> None:
        running.append(name)
        assert may_go.wait(DEADLINE)
        done.append(name)

    busy = [asyncio.create_task(turns.run("busy", lambda: work("busy"))) for _ in range(20)]
    await asyncio.sleep(0)
    calm = asyncio.create_task(turns.run("calm", lambda: work("calm")))
    end = asyncio.get_running_loop().time() + DEADLINE
    while len(running) < 3:
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)
    # One of three threads was left for the other caller.
    assert sorted(running) == ["busy", "busy", "calm"] and turns.waiting == 18
    may_go.set()
    await asyncio.wait_for(asyncio.gather(*busy, calm), DEADLINE)
    assert len(done) == 21 and turns.waiting == 0
    turns.close()


async def test_holders_take_turns_on_one_thread() -> None:
    turns, order, may_go = Turns("t", 1), list[str](), threading.Event()

    def work(name: str) -> None:
        assert may_go.wait(DEADLINE)
        order.append(name)

    async with asyncio.TaskGroup() as group:
        for name in ["a"] * 6 + ["b"] * 3 + ["c"]:
            group.create_task(turns.run(name, lambda name=name: work(name)))  # type: ignore[misc]
        await asyncio.sleep(0)
        may_go.set()
    assert order == ["a", "a", "b", "c", "a", "b", "a", "b", "a", "a"]
    turns.close()


async def test_cancelled_work_is_dropped_and_running_work_keeps_its_thread() -> None:
    turns, done, may_go, begun = Turns("t", 1), list[int](), threading.Event(), threading.Event()

    def work(number: int) -> None:
        begun.set()
        assert may_go.wait(DEADLINE)
        done.append(number)

    def job(number: int) -> asyncio.Task[None]:
        return asyncio.create_task(turns.run("a", lambda: work(number)))

    tasks = [job(0), job(1), job(2)]
    assert await asyncio.to_thread(begun.wait, DEADLINE)
    tasks[0].cancel()
    tasks[1].cancel()
    await asyncio.wait(tasks[:2], timeout=DEADLINE)
    assert turns.waiting == 1 and not done
    may_go.set()
    await asyncio.wait_for(tasks[2], DEADLINE)
    assert done == [0, 2]
    turns.close()


async def test_bytes_are_shared_and_one_holder_cannot_take_them_all() -> None:
    budget = Budget(100, 40)
    first = await obtained(budget, "busy", 40)
    waiting = asyncio.create_task(obtained(budget, "busy", 20))
    calm = await asyncio.wait_for(obtained(budget, "calm", 60), DEADLINE)
    await asyncio.sleep(0)
    assert not waiting.done()
    budget.give_back(first)
    second = await asyncio.wait_for(waiting, DEADLINE)
    budget.give_back(second)
    budget.give_back(calm)
    # One that needs it all waits until nothing else is held.
    await asyncio.wait_for(obtained(budget, "large", 100), DEADLINE)


async def test_callers_without_a_token_may_hold_all_bytes() -> None:
    budget = Budget(100, 10)
    held = [await asyncio.wait_for(obtained(budget, "", 30), DEADLINE) for _ in range(3)]
    waiting = asyncio.create_task(obtained(budget, "", 11))
    await asyncio.sleep(0)
    assert not waiting.done()
    budget.give_back(held[0])
    await asyncio.wait_for(waiting, DEADLINE)


async def test_a_caller_that_leaves_while_it_waits_for_bytes_holds_none() -> None:
    budget = Budget(10)
    held = await obtained(budget, "a", 10)
    leaving = asyncio.create_task(obtained(budget, "b", 10))
    await asyncio.sleep(0)
    budget.give_back(held)  # granted, and cancelled before it runs again
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await asyncio.wait_for(obtained(budget, "c", 10), DEADLINE)


@pytest.mark.parametrize("most", [10, 2**20])
async def test_an_inbox_holds_bytes_until_they_are_taken_again(most: int) -> None:
    """The messages of a stream, of which each may be larger than all bytes together."""
    budget = Budget(most)
    sent = [UpsertImagesRequest(id=f"{n}" * (n + 1) * 10) for n in range(9)]

    async def stream() -> AsyncIterator[UpsertImagesRequest]:
        for one in sent:
            yield one

    inbox = Inbox(4, 2**20, budget, "a")
    filling = asyncio.create_task(inbox.fill(stream()))
    got = list[UpsertImagesRequest]()
    while taken := await asyncio.wait_for(inbox.take(), DEADLINE):
        assert len(taken) <= 4
        other = asyncio.create_task(obtained(budget, "b", most))
        await asyncio.sleep(0)
        assert not other.done()
        other.cancel()
        got += taken
    await asyncio.wait_for(filling, DEADLINE)
    assert got == sent
    await asyncio.wait_for(obtained(budget, "b", most), DEADLINE)


async def test_a_closed_inbox_holds_nothing() -> None:
    budget = Budget(2**20)

    async def stream() -> AsyncIterator[UpsertImagesRequest]:
        while True:
            yield UpsertImagesRequest(id="a")

    inbox = Inbox(4, 2**20, budget, "a")
    filling = asyncio.create_task(inbox.fill(stream()))
    assert await asyncio.wait_for(inbox.take(), DEADLINE)
    await asyncio.sleep(0.05)
    filling.cancel()
    await asyncio.gather(filling, return_exceptions=True)
    inbox.close()
    await asyncio.wait_for(obtained(budget, "b", 2**20), DEADLINE)


async def test_work_that_began_ends_though_its_caller_left() -> None:
    began, may_end, done = threading.Event(), threading.Event(), list[str]()

    def work(name: str) -> str:
        began.set()
        assert may_end.wait(DEADLINE)
        done.append(name)
        return name

    told, turns = list[str](), Turns("test", 1)
    first, second = (
        asyncio.create_task(
            turns.run_to_its_end("", partial(work, name), partial(told.append, name))
        )
        for name in ("first", "second")
    )
    assert await asyncio.to_thread(began.wait, DEADLINE)
    first.cancel()
    second.cancel()
    await asyncio.sleep(0.05)
    assert not first.done()
    may_end.set()
    await asyncio.gather(first, second, return_exceptions=True)
    turns.close()
    assert first.cancelled() and second.cancelled()
    assert told == ["first", "second"]
    assert done == ["first"]
