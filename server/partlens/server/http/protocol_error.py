"""Requests that are refused before they become a call."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from partlens.server.calls.code import Code


@dataclass
class ProtocolError(Exception):
    """A request that does not follow HTTP's or Connect's rules, or whose time is over.

    Attributes:
        code: as Connect names the error.
        message: what was given, what is allowed and what to do.
        status: the HTTP status; None for the one that belongs to the code.
        headers: more headers of the response.
    """

    code: Code
    message: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
