"""Errors of reports.

ReportError
└── RecordError  a file without a usable record
"""


class ReportError(Exception):
    """A report cannot be written; the message says why and what to do."""


class RecordError(ReportError):
    """A file is not a report of partlens, or its record is damaged."""
