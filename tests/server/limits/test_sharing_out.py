"""One caller's share leaves room for others, and nothing remembers callers that are gone."""

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from functools import partial
from random import Random
from types import SimpleNamespace

import pytest
from prometheus_client import Gauge
from tests.server.conftest import DEADLINE

from partlens.common.budget import Budget
from partlens.runtime.config.sections import LimitsSection
from partlens.server.caller.caller import Caller
from partlens.server.calls import call as calls
from partlens.server.calls.call import Call
from partlens.server.errors import OverloadedError, RateError
from partlens.server.handlers.inbox import Inbox, receiving
from partlens.server.limits.admission import Admission
from partlens.server.limits.arrivals import Arrivals
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
            with one.held:
                with admission.around(one):
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
    assert await admitted(admission, *(call("busy") for _ in range(9))) == 4
    assert (
        await admitted(
            admission, *(call("busy") for _ in range(9)), *(call("calm") for _ in range(9))
        )
        == 8
    )


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
    for n in range(40):
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
        with Rate(buckets).around(call("again")):
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


async def test_streams_cancelled_at_any_instant_leave_no_bytes_behind() -> None:
    """Each waits for room that the others free, and is cancelled after some steps of the loop."""
    random, budget, limits = Random(3), Budget(2000), LimitsSection()
    message = UpsertImagesRequest(id="x" * 300)

    async def stream(n: int) -> None:
        async def requests() -> AsyncIterator[UpsertImagesRequest]:
            for _ in range(30):
                await asyncio.sleep(0)
                yield message

        calls.enter(call(f"token {n % 5}"))
        async with receiving(requests(), limits, budget, stopping) as inbox:
            while await inbox.take():
                await asyncio.sleep(0)

    for _ in range(40):
        stopping = asyncio.Event()
        tasks = [asyncio.create_task(stream(n)) for n in range(20)]
        for task in random.sample(tasks, len(tasks)):
            for _ in range(random.randrange(12)):
                await asyncio.sleep(0)
            task.cancel()
        stopping.set()
        await asyncio.wait(tasks, timeout=DEADLINE)
        whole = await asyncio.wait_for(obtained(budget, "all", 2000), DEADLINE)
        budget.give_back(whole)


class Picture:
    """Something large that a failed call has in its hands."""


async def failed(running: Awaitable[object]) -> None:
    with suppress(ValueError):
        async with asyncio.timeout(DEADLINE):
            await running


async def test_failed_work_leaves_nothing_for_the_collector() -> None:
    """Which may not come for hours: gigabytes of refused pictures stayed until then."""
    seen = list[weakref.ref[Picture]]()

    def refuse() -> None:
        picture = Picture()
        seen.append(weakref.ref(picture))
        raise ValueError(picture)

    async def requests() -> AsyncIterator[UpsertImagesRequest]:
        refuse()
        yield UpsertImagesRequest()

    async def stream() -> None:
        async with receiving(requests(), LimitsSection(), Budget(1), asyncio.Event()) as inbox:
            await inbox.take()

    turns = Turns("test", 1)
    calls.enter(call("busy"))
    gc.collect()
    gc.disable()
    try:
        await failed(turns.run("", refuse))
        await failed(turns.run_to_its_end("", refuse, lambda: None))
        await failed(stream())
        await asyncio.to_thread(turns.close)
        assert len(seen) == 3
        assert [one() for one in seen] == [None] * 3
    finally:
        gc.enable()


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


def test_arrived_requests_are_bounded_and_forgotten() -> None:
    arrivals = Arrivals(LimitsSection(arrived_bytes=100, token_share=0.5))
    with arrivals.held("busy") as busy, arrivals.held("busy") as more:
        busy.add(40)
        with pytest.raises(OverloadedError, match="50 bytes"):
            more.add(20)
        with arrivals.held("calm") as calm, arrivals.held("third") as third:
            calm.add(30)
            calm.add(20)
            with pytest.raises(OverloadedError, match="100 bytes"):
                third.add(20)
            assert arrivals.bytes == 90
            busy.drop(30)
            third.add(20)
    with arrivals.held("large") as large:  # one of any size, or it could never be sent
        large.add(300)
        large.add(200)
        assert arrivals.bytes == 500
    assert arrivals.bytes == 0 and not arrivals._of
