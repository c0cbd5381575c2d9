"""Finds the record of a report in its file."""

import re
from pathlib import Path

from partlens.client.report.errors import RecordError, UnavailableFormatError
from partlens.client.report.record import MOST_BYTES, from_json
from partlens.common.files import read_file
from partlens.common.pdf import MissingPdfError, PdfError, attached_file
from partlens.v1.report_pb2 import ReportRecord

ELEMENT_ID, ATTACHMENT = "partlens-report", "partlens-report.json"
"""Id of the script element of an HTML page, and name of the file attached to a PDF."""
_MOST_FILE_BYTES = 512 * 2**20
_OPENING = f'<script type="application/json" id="{ELEMENT_ID}">'.encode()
_CLOSING = re.compile(rb"</script", re.IGNORECASE)


def read_record(path: Path) -> ReportRecord:
    """The record of a report, HTML or PDF.

    Raises:
        OSError: the file cannot be read.
        RecordError: it is not a report, or its record is damaged.
        UnavailableFormatError: a library that reads PDF is not installed.
    """
    data = read_file(path, _MOST_FILE_BYTES + 1)
    if len(data) > _MOST_FILE_BYTES:
        raise RecordError(f"the file has more than {_MOST_FILE_BYTES} bytes; no report is as large")
    return from_json(_attached(data) if data.startswith(b"%PDF-") else _embedded(data))


def _embedded(page: bytes) -> bytes:
    """The JSON in an HTML page."""
    if (found := page.count(_OPENING)) != 1:
        raise RecordError(
            f"the file has {found} elements {_OPENING.decode()}; a report of partlens has one"
            " (those of version 0.2 and earlier have none)"
        )
    start = page.index(_OPENING) + len(_OPENING)
    end = _CLOSING.search(page, start)
    if end is None:
        raise RecordError("the file ends within its record; it was cut short")
    if end.start() - start > MOST_BYTES:
        raise RecordError(f"the record has more than {MOST_BYTES} bytes, the most allowed")
    return page[start : end.start()]


def _attached(pdf: bytes) -> bytes:
    try:
        return attached_file(pdf, ATTACHMENT)
    except MissingPdfError as error:
        raise UnavailableFormatError(str(error)) from error
    except PdfError as error:
        raise RecordError(str(error)) from error
