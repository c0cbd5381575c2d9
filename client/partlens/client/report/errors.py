"""Errors of reports.

ReportError
├── UnavailableFormatError  a library or font that PDF needs is not installed
└── RecordError             a file without a usable record
"""


class ReportError(Exception):
    """A report cannot be written; the message says why and what to do."""


class UnavailableFormatError(ReportError):
    """A library or font that PDF needs is not installed."""


class RecordError(ReportError):
    """A file is not a report of partlens, or its record is damaged."""
