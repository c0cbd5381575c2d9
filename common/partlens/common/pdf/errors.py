"""Errors of PDF files.

PdfError
└── MissingPdfError  a library is not installed
"""


class PdfError(Exception):
    """A PDF cannot be written or read; the message says why."""


class MissingPdfError(PdfError):
    """A library that writes or reads PDF is not installed; the message says what to install."""
