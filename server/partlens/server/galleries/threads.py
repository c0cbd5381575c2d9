"""The threads and the memory that the calls of all galleries share."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

from partlens.common.budget import Budget
from partlens.runtime.config.sections import LimitsSection, ServerSection
from partlens.server.calls import call as calls
from partlens.server.engine.engine import Engine
from partlens.server.errors import CallerGoneError
from partlens.server.limits.decoding_memory import DecodingMemory
from partlens.server.limits.holders import share_of
from partlens.server.limits.turns import Turns

T = TypeVar("T")


class Threads:
    """Runs the engines' work, so that the event loop stays free for callers.

    Attributes:
        looking, working, decoding: for short reads, searches and pictures: none waits for the
            others.
        reporting: for reports, one at a time: a PDF takes seconds, and much memory.
        writing: one thread, as a gallery serialises commits anyway.
        decoding_memory: memory of all pictures that are being decoded.
        uploading: bytes of uploads in memory.
    """

    def __init__(self, server: ServerSection, limits: LimitsSection) -> None:
        self.looking = Turns("partlens-look", server.read_workers)
        self.working = Turns("partlens-work", server.workers)
        self.decoding = Turns("partlens-decode", server.decoding_workers)
        self.reporting = Turns("partlens-report", 1)
        self.writing = Turns("partlens-write", 1)
        self.decoding_memory = DecodingMemory(limits.decoding_bytes)
        most = limits.upload_bytes
        self.uploading = Budget(most, share_of(most, limits.token_share))

    async def submit(self, turns: Turns, engine: Engine, work: Callable[[Engine], T]) -> T:
        """Runs work for the current caller, with the engine restricted to the caller's images.

        Callers take turns. If the caller goes away, queued work is dropped and a running search
        ends soon; work on the writing thread that has begun finishes.

        Raises:
            UnauthenticatedError, ForbiddenError: the caller's token was revoked meanwhile.
        """
        call, gone = calls.current(), threading.Event()
        call.require_allowed()

        def require_waiting() -> None:
            if gone.is_set():
                raise CallerGoneError("the caller cancelled, or its deadline has passed")

        context = contextvars.copy_context()
        seen = engine.within(call.caller.within, require_waiting)

        def inside() -> T:
            require_waiting()
            return context.run(work, seen)

        try:
            if turns is self.writing:
                return await turns.run_to_its_end(call.caller.token, inside, gone.set)
            return await turns.run(call.caller.token, inside)
        except asyncio.CancelledError:
            gone.set()
            raise

    def close(self) -> None:
        """Waits for running work, and drops queued work."""
        for turns in (self.looking, self.working, self.decoding, self.reporting, self.writing):
            turns.close()
