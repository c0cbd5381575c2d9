"""Errors on the way from a camera to a server.

IngestError
├── EntryError           a malformed entry of the stream, or a malformed message
├── UploadError          pictures that a worker could not send to the server
├── LetterError          a dead letter that does not exist
└── SnapshotError        a picture that could not be fetched from another system
"""

from partlens.runtime.errors import ProgramError


class IngestError(ProgramError):
    """Base of every error that partlens.ingest raises on purpose."""


class EntryError(IngestError, ValueError):
    """A malformed entry of the stream, or a malformed message."""


class UploadError(IngestError):
    """Pictures that a worker could not send to the server.

    Attributes:
        at_fault: whether the pictures themselves may be the cause.
        retry_seconds: how long to wait before retrying.
    """

    def __init__(self, message: str, *, at_fault: bool, retry_seconds: float) -> None:
        self.at_fault, self.retry_seconds = at_fault, retry_seconds
        super().__init__(message)


class LetterError(IngestError, LookupError):
    """A dead letter that does not exist."""


class SnapshotError(IngestError):
    """A picture that could not be fetched from another system.

    Attributes:
        passing: whether the picture may be available soon.
        away: whether the system itself is unreachable.
    """

    def __init__(self, message: str, *, passing: bool = True, away: bool = False) -> None:
        super().__init__(message)
        self.passing, self.away = passing, away
