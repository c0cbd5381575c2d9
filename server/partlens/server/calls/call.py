"""What is known of the call in progress."""

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from partlens.server.access.caller import Caller
from partlens.server.calls.code import Code
from partlens.server.calls.method import Kind

REQUEST_ID = "x-request-id"
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_current: ContextVar["Call"] = ContextVar("partlens-call")


async def _nothing() -> None:
    pass


@dataclass
class Call:
    """One call of one of our services.

    Attributes:
        method: its path, as "/partlens.v1.PartSearchService/SearchRegions".
        kind: of the method.
        metadata: what the caller sent beside the request; of a repeated key the last.
        peer: the caller's address.
        request_id: in the log, in the audit log, and in the answer's metadata.
        caller: who asks; known from authentication on.
        require_allowed: raises if the caller may no longer ask this; a call can outlive a token.
        code: how it ended; OK until something is raised, see Outcome.
        facts: what the audit log will say of it.
        received, sent: called for each message, of the caller's and of ours.
        commit: writes the facts to the audit log now; for calls that acknowledge as they go.
    """

    method: str
    kind: Kind
    metadata: Mapping[str, str]
    peer: str
    request_id: str
    caller: Caller = field(default_factory=Caller)
    require_allowed: Callable[[], None] = lambda: None
    code: Code = Code.OK
    facts: dict[str, str | int] = field(default_factory=dict)
    received: Callable[[], None] = lambda: None
    sent: Callable[[], None] = lambda: None
    commit: Callable[[], Awaitable[None]] = _nothing

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
    """The id that the caller gave, if it can stand in a log; a new one otherwise.

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
        LookupError: there is none.
    """
    return _current.get()
