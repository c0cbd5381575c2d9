"""Times in the audit log."""

from datetime import UTC, datetime


def now() -> str:
    """The current time in the log's format."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
