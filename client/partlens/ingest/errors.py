"""What can go wrong on the way from a camera to a server.

IngestError
├── EntryError           an entry of the stream, or a message, of another form than it must have
├── UploadError          pictures that a worker could not bring to the server
└── SnapshotError        a picture that another system does not give
"""

from partlens.runtime.errors import ProgramError


class IngestError(ProgramError):
    """Base of every error that partlens.ingest raises on purpose."""


class EntryError(IngestError, ValueError):
    """An entry of the stream, or a message, of another form than it must have."""


class UploadError(IngestError):
    """Pictures that a worker could not bring to the server.

    Attributes:
        at_fault: whether the pictures themselves may be why.
        retry_seconds: when to try again.
    """

    def __init__(self, message: str, *, at_fault: bool, retry_seconds: float) -> None:
        self.at_fault, self.retry_seconds = at_fault, retry_seconds
        super().__init__(message)


class SnapshotError(IngestError):
    """A picture that another system does not give.

    Attributes:
        passing: whether it may have it in a moment.
        away: whether it is the system that cannot be asked, now.
    """

    def __init__(self, message: str, *, passing: bool = True, away: bool = False) -> None:
        super().__init__(message)
        self.passing, self.away = passing, away
