"""Runs a server from its start to a signal."""

import asyncio
import signal
from collections.abc import Callable, Sequence

from partlens.server.app import PartlensServer


async def run(
    server: PartlensServer,
    bound: Callable[[int], None],
    loaded: Callable[[], None],
    ending: Callable[[], None],
    signals: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM),
) -> None:
    """Bind, load and serve until a signal, then stop.

    Args:
        bound: called with the gRPC port once clients can connect; the server is still loading.
        loaded: called when every service answers.
        ending: called on a thread before the server stops, also after an error.
        signals: that end it.

    Raises:
        ProgramError: the server cannot listen.
        Exception: whatever loading raises.
    """
    stop = asyncio.Event()

    def listen() -> None:
        for number in signals:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)

    listen()
    bound(await server.bind())
    loading, stopping = asyncio.create_task(server.load()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()
            listen()  # again: Ray, if it was loaded, has put handlers of its own before these
            loaded()
        await stopping
    finally:
        await asyncio.to_thread(ending)
        await server.stop()
        stopping.cancel()
        # If it was stopped while loading, nobody else looks at how that ended.
        await asyncio.gather(loading, stopping, return_exceptions=True)
