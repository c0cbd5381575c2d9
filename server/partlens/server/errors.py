"""What can go wrong in the server.

ServerError
├── RequestError           fields of a request that cannot be used
│   └── PageTokenError     a page token that is not ours, or was given for another question
├── StalePageError         what the first page of a search saw is not kept any more
├── UnknownQueryError      a query id that was forgotten or never given
├── UnknownStandingQueryError  no standing query of this id, or none of the caller's
├── StandingQueryError     a standing query that cannot be saved or read
├── UnauthenticatedError   no token, or one that is not valid
├── ForbiddenError         what a token may not do, or an image it may not change
├── RefusedError           a call that comes at a bad time; the same may succeed later
│   ├── RateError          its token calls too often
│   └── OverloadedError    the server has too much to do
├── CallerGoneError        nobody waits for the answer any more
├── NotReadyError          model and gallery are not loaded yet
├── StoppingError          the server is going down and takes no more images
├── CertificateError       a certificate or key that cannot be used
├── TokenFileError         a file of tokens that cannot be used
├── AuditError             an audit log that cannot be written, or that is not what it was
└── EntryError             an entry of Redis that holds no query image of this model

The table in status.py says how each is answered. Settings and addresses to listen on have errors in
partlens.runtime.errors.
"""

from dataclasses import dataclass

from partlens.runtime.errors import ProgramError


class ServerError(ProgramError):
    """Base of every error that partlens.server raises on purpose."""


@dataclass(frozen=True)
class Violation:
    """One field of a request that cannot be used.

    Attributes:
        field: its path in the request, as "regions[2].region.box".
        description: what was given, what is allowed and what to do.
        reason: a word to tell violations apart by program, as "IMAGE_INVALID".
    """

    field: str
    description: str
    reason: str = "FIELD_INVALID"


class RequestError(ServerError, ValueError):
    """Fields of a request that cannot be used; the caller must change them."""

    def __init__(self, field: str, description: str, reason: str = "FIELD_INVALID") -> None:
        self.violation = Violation(field, description, reason)
        super().__init__(f"{field}: {description}" if field else description)


class PageTokenError(RequestError):
    """A page token that is damaged, made up, or was given for another question."""

    def __init__(self, description: str) -> None:
        super().__init__("page_token", description, "PAGE_TOKEN_INVALID")


class StalePageError(ServerError):
    """The gallery has changed, and what the first page of a search saw is not kept any more."""


class UnknownQueryError(ServerError, LookupError):
    """A query id that was forgotten or never given, or whose image was replaced since."""

    def __init__(self, id: str) -> None:
        super().__init__(
            f"query id {id[:64]!r} is not known: the server keeps the query images used last; send"
            " the picture again"
        )


class UnknownStandingQueryError(ServerError, LookupError):
    """No standing query of this id, or none of the caller's."""


class StandingQueryError(ServerError, ValueError):
    """A standing query that cannot be saved or read."""


class UnauthenticatedError(ServerError):
    """No token, or one that is not valid."""


class ForbiddenError(ServerError, PermissionError):
    """What a token may not do, or an image it may not change."""


class RefusedError(ServerError):
    """A call that comes at a bad time; the same may succeed later.

    Attributes:
        retry_seconds: when.
    """

    def __init__(self, message: str, retry_seconds: float = 0.5) -> None:
        self.retry_seconds = retry_seconds
        super().__init__(message)


class RateError(RefusedError):
    """The caller's token calls too often."""


class OverloadedError(RefusedError):
    """The server has too much to do."""


class CallerGoneError(ServerError):
    """Nobody waits for the answer any more."""


class NotReadyError(ServerError):
    """Model and gallery are not loaded yet."""


class StoppingError(ServerError):
    """The server is going down and takes no more images."""


class CertificateError(ServerError, ValueError):
    """A certificate or key that cannot be used."""


class TokenFileError(ServerError, ValueError):
    """A file of tokens that cannot be used."""


class AuditError(ServerError):
    """An audit log that cannot be written, or that is not what it was."""


class EntryError(ServerError, ValueError):
    """An entry of Redis that holds no query image of this model."""
