"""The call in progress."""

import re
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from partlens.server.caller.caller import Caller
from partlens.server.calls.code import Code
from partlens.server.calls.method import Kind

Transport = Literal["grpc", "http"]
REQUEST_ID = "x-request-id"
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_current: ContextVar["Call"] = ContextVar("partlens-call")


async def _nothing() -> None:
    pass


@dataclass
class Call:
    """One call to one of the partlens services.

    Attributes:
        method: path of the method, such as "/partlens.v1.PartSearchService/SearchRegions".
        kind: kind of the method.
        metadata: the caller's metadata; for a repeated key, the last value.
        peer: the caller's address.
        request_id: id in the log, the audit log and the response metadata.
        caller: who is calling; set by authentication.
        transport: what carries the call.
        require_allowed: raises if the caller is no longer allowed; a call can outlive a token.
        code: status code; OK until something is raised, see Outcome.
        facts: facts to record in the audit log.
        received, sent: called for each request message and each response message.
        begin: writes to the audit log that a change begins; raises if it cannot.
        commit: writes the facts to the audit log now; for calls that acknowledge as they go.
        gallery: own name of the gallery that answers; "" until it is known.
        alias: the name that led to it and the moment since which it does; None if it has moved
            nowhere.
        recorded: whether the call was let in, so that its own lines are in the audit log.
        held: what it holds until its last response is sent or its caller is gone.
        end: when its caller stops waiting, of time.monotonic; None if the caller gave no deadline.
    """

    method: str
    kind: Kind
    metadata: Mapping[str, str]
    peer: str
    request_id: str
    caller: Caller = field(default_factory=Caller)
    transport: Transport = "grpc"
    require_allowed: Callable[[], None] = lambda: None
    code: Code = Code.OK
    facts: dict[str, str | int] = field(default_factory=dict)
    received: Callable[[], None] = lambda: None
    sent: Callable[[], None] = lambda: None
    begin: Callable[[], Awaitable[None]] = _nothing
    commit: Callable[[], Coroutine[Any, Any, None]] = _nothing
    gallery: str = ""
    alias: tuple[str, datetime] | None = None
    recorded: bool = False
    held: ExitStack = field(default_factory=ExitStack)
    end: float | None = None

    @property
    def name(self) -> str:
        """The method without its service."""
        return self.method.rpartition("/")[2]

    @property
    def service(self) -> str:
        """The full name of its service."""
        return self.method.rpartition("/")[0].removeprefix("/")

    def note(self, **facts: str | int) -> None:
        """Adds facts for the audit log."""
        self.facts.update(facts)


def request_id(metadata: Mapping[str, str]) -> str:
    """The caller's request id if it is safe to log; otherwise a new one.

    >>> request_id({REQUEST_ID: "job-7"}), len(request_id({REQUEST_ID: "a b"}))
    ('job-7', 16)
    """
    given = metadata.get(REQUEST_ID, "")
    return given if _PLAIN.fullmatch(given) else secrets.token_hex(8)


def enter(call: Call) -> None:
    """Makes a call the one in progress in this task."""
    _current.set(call)


def current() -> Call:
    """The call in progress, in its own task and in the threads that work for it.

    Raises:
        LookupError: no call is in progress.
    """
    return _current.get()


def end_after(seconds: float | None) -> float | None:
    """The end of a call whose caller waits for so many seconds; None if it waits for ever."""
    return None if seconds is None else time.monotonic() + seconds


def seconds_left() -> float | None:
    """The time until the end of the call in progress; None if it has none, or there is no call."""
    call = _current.get(None)
    return None if call is None or call.end is None else call.end - time.monotonic()


def where() -> str:
    """The gallery of the call in progress, in words for errors; "" if there is none."""
    call = _current.get(None)
    if call is None or not call.gallery:
        return ""
    if call.alias is None:
        return f" in gallery {call.gallery!r}"
    name, since = call.alias
    return (
        f" in gallery {call.gallery!r}, to which {name!r} leads since"
        f" {since.isoformat(timespec='seconds')} (query ids of answers before then belong to the"
        " gallery before it)"
    )
