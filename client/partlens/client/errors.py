"""Errors of the client.

ClientError
├── AddressError         an unusable address, or an unusable proxy in the environment
├── CredentialsError     credentials that are unusable, or must not be sent
├── AccessError          the token is missing or invalid, or does not allow the call
├── RequestError         an argument that cannot be sent or used; names the field
├── NotFoundError        no image with this id, or the query id is no longer known
├── StaleError           the gallery has changed, or is bound to another model
├── ExhaustedError       over a limit: a message too large, or too many calls
├── UnavailableError     no server answers, or it is still loading or stopping
├── DeadlineError        no response in time
├── MissingLibraryError  an optional library is not installed
└── ServerError          anything else that the server reports
"""

import grpc

from partlens.common.installing import pip_install


class ClientError(Exception):
    """Base of every error that partlens.client raises on purpose.

    Attributes:
        reason: reason from the server, such as "REGION_INVALID" (docs/api.md lists them); "" if
            there is none.
        retry_seconds: how long to wait before retrying; None if waiting does not help.
        request_id: id of the call in the server's log; "" if it did not reach the server.
    """

    reason: str = ""
    request_id: str = ""
    retry_seconds: float | None = None


class AddressError(ClientError, ValueError):
    """An unusable address, or an unusable proxy in the environment.

    Attributes:
        problem: the problem, and what to write instead.
    """

    def __init__(self, what: str, problem: str) -> None:
        self.problem = problem
        super().__init__(f"{what} {problem}")


class CredentialsError(ClientError, ValueError):
    """Credentials that are unusable, or must not be sent."""


class AccessError(ClientError, PermissionError):
    """The token is missing or invalid, or does not allow the call."""


class RequestError(ClientError, ValueError):
    """An argument that cannot be sent, or that the server cannot use.

    Attributes:
        field: path of the invalid field in the request, or name of the argument; "" if the server
            names none.
    """

    def __init__(self, message: str, field: str = "") -> None:
        self.field = field
        super().__init__(message)


class NotFoundError(ClientError, LookupError):
    """No image with this id, or a query id that the server does not know (any more)."""


class StaleError(ClientError):
    """The gallery has changed since the previous page, or is bound to another model."""


class ExhaustedError(ClientError):
    """A limit of the server is exceeded: a message too large, or too many calls.

    If retry_seconds is set, the call had no effect and may succeed after that time.
    """


class UnavailableError(ClientError, ConnectionError):
    """No server answers, or it is still loading or stopping."""


class DeadlineError(ClientError, TimeoutError):
    """No response in time."""


class MissingLibraryError(ClientError, ImportError):
    """An optional library is not installed.

    Args:
        what: what needs it.
        library: name of the library.
        extra: extra of partlens that installs it.
    """

    def __init__(self, what: str, library: str, extra: str) -> None:
        super().__init__(f"{what} needs {library}: {pip_install(extra)}")


class ServerError(ClientError):
    """Anything else that the server reports.

    Attributes:
        code: gRPC status code.
    """

    def __init__(self, message: str, code: grpc.StatusCode) -> None:
        self.code = code
        super().__init__(message)
