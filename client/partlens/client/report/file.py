"""Reports as files, HTML or PDF."""

import re
import unicodedata
from typing import Protocol

from partlens.client.answers import ReportFile
from partlens.client.questions import ReportFormat
from partlens.client.report.embedding import ATTACHMENT
from partlens.client.report.errors import ReportError, UnavailableFormatError
from partlens.client.report.record import MOST_BYTES, to_json
from partlens.common.pdf import MissingPdfError, PdfError, pdf_of
from partlens.common.pdf.files import WRITE_SECONDS
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.v1.report_pb2 import ReportRecord

MEDIA_TYPES: dict[ReportFormat, str] = {"html": "text/html", "pdf": "application/pdf"}
MOST_PDF_HITS = 200
"""Most hits of a PDF, which is laid out in about a tenth of a second for each on one core."""
_LONGEST_NAME = 60


class Report(Protocol):
    """A report of one kind."""

    @property
    def kind(self) -> str:
        """What it reports, in a file name."""
        ...

    @property
    def title(self) -> str:
        """Heading; may be empty."""
        ...

    @property
    def hits(self) -> int:
        """Number of hits."""
        ...

    def record(self) -> ReportRecord:
        """Its data."""
        ...

    def page(self, embedded: str) -> str:
        """The page, with the record as JSON; "" for none."""
        ...


def to_file(
    report: Report,
    format: ReportFormat,
    *,
    seconds: float = WRITE_SECONDS,
    require_waiting: RequireWaiting = wait_always,
) -> ReportFile:
    """Write a report.

    Args:
        seconds: time limit of a PDF.
        require_waiting: see partlens.common.pdf.pdf_of.

    Raises:
        ReportError: it is too large, takes too long, or a library is not installed.
    """
    record = to_json(report.record())
    if len(record) > MOST_BYTES:
        raise ReportError(
            f"the report would embed {len(record)} bytes, and {MOST_BYTES} are the most: report"
            " fewer hits, or send smaller pictures"
        )
    return ReportFile(
        _content(report, record, format, seconds, require_waiting),
        MEDIA_TYPES[format],
        file_name(report.title or f"partlens {report.kind}", format),
    )


def _content(
    report: Report,
    record: bytes,
    format: ReportFormat,
    seconds: float,
    require_waiting: RequireWaiting,
) -> bytes:
    if format == "html":
        return report.page(record.decode("ascii")).encode()
    if report.hits > MOST_PDF_HITS:
        raise ReportError(
            f"a PDF shows at most {MOST_PDF_HITS} hits, and there are {report.hits}: report fewer,"
            " or write HTML"
        )
    page = report.page("")
    try:
        return pdf_of(page, record, ATTACHMENT, seconds=seconds, require_waiting=require_waiting)
    except MissingPdfError as error:
        raise UnavailableFormatError(str(error)) from error
    except PdfError as error:
        raise ReportError(str(error)) from error


def file_name(title: str, format: ReportFormat) -> str:
    """A name that is safe in any file system and header.

    >>> file_name("Case 7/2026: é", "pdf")
    'case-7-2026-e.pdf'
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_NAME].rstrip("-")
    return f"{words or 'partlens-report'}.{format}"
