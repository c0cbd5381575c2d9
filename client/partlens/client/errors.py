"""What can go wrong in the client.

ClientError
├── AddressError         an address, or a proxy of the environment, that cannot be used
├── CredentialsError     credentials that cannot be used, or must not be sent
├── AccessError          the server does not know who asks, or does not allow it
├── RequestError         an argument that cannot be sent or used; names the field
├── NotFoundError        no such image, and no query image under this id any more
├── StaleError           the gallery is not what the call took it for: changed, or of another model
├── ExhaustedError       more than the server takes: a message too large, too many calls at once
├── UnavailableError     no server there, or it is still loading or stopping
├── DeadlineError        no answer in time
└── ServerError          anything else that the server reports
"""

import grpc


class ClientError(Exception):
    """Base of every error that partlens.client raises on purpose.

    Attributes:
        reason: the server's word for it, as "REGION_INVALID" (docs/api.md lists them); "" where
            no partlens server said one.
        retry_seconds: after how long the same call may succeed; None where waiting does not help.
        request_id: what the server's log calls the call; "" if it did not get there.
    """

    reason: str = ""
    request_id: str = ""
    retry_seconds: float | None = None


class AddressError(ClientError, ValueError):
    """An address, or a proxy that the environment names, that cannot be used.

    Attributes:
        problem: what is wrong with it, and what to write instead.
    """

    def __init__(self, what: str, problem: str) -> None:
        self.problem = problem
        super().__init__(f"{what} {problem}")


class CredentialsError(ClientError, ValueError):
    """Credentials that cannot be used, or must not be sent like this."""


class AccessError(ClientError, PermissionError):
    """The server does not know who asks, or does not allow it."""


class RequestError(ClientError, ValueError):
    """An argument that cannot be sent, or that the server cannot use.

    Attributes:
        field: path of the offending field in the request, or name of the argument; "" where the
            server names none.
    """

    def __init__(self, message: str, field: str = "") -> None:
        self.field = field
        super().__init__(message)


class NotFoundError(ClientError, LookupError):
    """No such image, or a query id that the server has forgotten or never gave."""


class StaleError(ClientError):
    """The gallery has changed since the page before, or is bound to another model."""


class ExhaustedError(ClientError):
    """More than the server takes: a message too large, too many calls at once or too often.

    Where the same call may succeed later, nothing was done of it and retry_seconds says when.
    """


class UnavailableError(ClientError, ConnectionError):
    """No server there, or it is still loading or stopping."""


class DeadlineError(ClientError, TimeoutError):
    """No answer in time."""


class ServerError(ClientError):
    """Anything else that the server reports.

    Attributes:
        code: the gRPC status.
    """

    def __init__(self, message: str, code: grpc.StatusCode) -> None:
        self.code = code
        super().__init__(message)
