"""Errors of the server.

ServerError
├── RequestError           fields of a request that cannot be used
│   └── PageTokenError     a page token that is invalid, or belongs to another request
├── StalePageError         the snapshot of a search's first page is no longer kept
├── UnknownQueryError      a query id that has been dropped or never existed
├── UnknownGalleryError    no gallery of this name that the caller may use
├── AliasError             aliases that cannot be read or written
├── PictureUnavailableError  a picture that the server cannot read or no longer keeps
├── UnknownStandingQueryError  the caller has no standing query with this id
├── StandingQueryError     a standing query that cannot be saved or read
├── UnauthenticatedError   a missing or invalid token
├── ForbiddenError         an operation that the token does not allow
├── RefusedError           a call that may succeed if retried later
│   ├── RateError          the token exceeded its rate limit
│   └── OverloadedError    the server is overloaded
├── MessageSizeError       a request or a response that is too large
├── SilentCallerError      the caller sends or reads nothing for too long
├── CallerGoneError        the caller no longer waits for the response
├── NotReadyError          the galleries are not loaded yet
├── StoppingError          the server is stopping and accepts no more images
├── CertificateError       a certificate or key that cannot be used
├── TokenFileError         a token file that cannot be used
│   └── UnknownTokenError  it has no such token
├── AuditError             an audit log that cannot be written, or has been altered
├── OpenError              a folder of pictures that `partlens open` cannot open
│   └── AlreadyOpenError   another process has it open
└── EntryError             an entry of Redis that holds no query image of this model

The table in calls/status.py gives the status for each. Settings and addresses to listen on have
errors in partlens.runtime.errors.
"""

from dataclasses import dataclass

from partlens.runtime.errors import ProgramError

STILL_LOADING = "the server is still loading its galleries"
"""Why a server that has just started cannot answer yet."""


class ServerError(ProgramError):
    """Base of every error that partlens.server raises on purpose."""


@dataclass(frozen=True)
class Violation:
    """One field of a request that cannot be used.

    Attributes:
        field: path of the field in the request, such as "regions[2].region.box".
        description: what was given, what is allowed and what to do.
        reason: machine-readable reason, such as "IMAGE_INVALID".
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
    """A page token that is invalid, or belongs to another request."""

    def __init__(self, description: str) -> None:
        super().__init__("page_token", description, "PAGE_TOKEN_INVALID")


class StalePageError(ServerError):
    """The gallery has changed, and the snapshot of the search's first page is no longer kept."""


class UnknownQueryError(ServerError, LookupError):
    """A query id that has been dropped or never existed, or its image has been replaced.

    Args:
        where: the gallery in words, such as " in gallery 'people'"; "" if there is only one.
    """

    def __init__(self, id: str, where: str = "") -> None:
        super().__init__(
            f"query id {id[:64]!r} is not known{where}: the server keeps only the most recently"
            " used query images; send the picture again"
        )


class UnknownGalleryError(ServerError, LookupError):
    """There is no gallery of this name, or the caller may not use it."""


class AliasError(ServerError, ValueError):
    """Aliases that cannot be read or written."""


class PictureUnavailableError(ServerError, LookupError):
    """A picture that the server cannot read, or no longer keeps."""


class UnknownStandingQueryError(ServerError, LookupError):
    """The caller has no standing query with this id."""


class StandingQueryError(ServerError, ValueError):
    """A standing query that cannot be saved or read."""


class UnauthenticatedError(ServerError):
    """A missing or invalid token."""


class ForbiddenError(ServerError, PermissionError):
    """An operation that the token does not allow."""


class RefusedError(ServerError):
    """A call that may succeed if retried later.

    Attributes:
        retry_seconds: how long to wait before retrying.
    """

    def __init__(self, message: str, retry_seconds: float = 0.5) -> None:
        self.retry_seconds = retry_seconds
        super().__init__(message)


class RateError(RefusedError):
    """The caller's token exceeded its rate limit."""


class OverloadedError(RefusedError):
    """The server is overloaded."""


class MessageSizeError(ServerError):
    """A request or a response that is too large to be sent at all."""


class SilentCallerError(ServerError):
    """The caller sends no request, or reads no response, for too long."""


class CallerGoneError(ServerError):
    """The caller no longer waits for the response."""


class NotReadyError(ServerError):
    """The galleries are not loaded yet."""


class StoppingError(ServerError):
    """The server is stopping, and did not do what was asked."""


class CertificateError(ServerError, ValueError):
    """A certificate or key that cannot be used."""


class TokenFileError(ServerError, ValueError):
    """A token file that cannot be used."""


class UnknownTokenError(TokenFileError):
    """A token file without the token that was asked for."""


class AuditError(ServerError):
    """An audit log that cannot be written, or has been altered."""


class EntryError(ServerError, ValueError):
    """An entry of Redis that holds no query image of this model."""


class OpenError(ServerError):
    """A folder of pictures that `partlens open` cannot open."""


class AlreadyOpenError(OpenError):
    """Another process has the folder open.

    Attributes:
        address: of its page.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(f"it is open already, at {address}")
