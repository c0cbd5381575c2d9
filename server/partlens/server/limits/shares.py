"""Waiting on the event loop for a share of a budget."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from partlens.common.budget import Budget, Share


async def obtained(budget: Budget, owner: str, amount: int) -> Share:
    """A share, once it is the owner's turn and there is room; a caller that leaves gets none.

    Args:
        owner: the token whose turn it is; "" is nobody, who may hold the whole.
        amount: at least 1 and at most the whole.

    Returns:
        The share, to be given back on any thread.
    """
    loop = asyncio.get_running_loop()
    turn = loop.create_future()

    def granted() -> None:  # on the thread that gave a share back
        loop.call_soon_threadsafe(_set, turn)

    share = budget.ask(owner or None, amount, granted)
    try:
        await turn
    except BaseException:
        budget.give_back(share)
        raise
    return share


@asynccontextmanager
async def holding(budget: Budget, owner: str, amount: int) -> AsyncIterator[None]:
    """Holds a share of a budget for the block; see obtained."""
    share = await obtained(budget, owner, amount)
    try:
        yield
    finally:
        budget.give_back(share)


def _set(turn: "asyncio.Future[None]") -> None:
    if not turn.done():
        turn.set_result(None)
