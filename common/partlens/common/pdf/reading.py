"""Reads a file that is attached to a PDF. Only the child process imports this."""

import io
from typing import Any

from partlens.common.installing import pip_install
from partlens.common.pdf.errors import MissingPdfError, PdfError


def read(pdf: bytes, name: str) -> bytes:
    """The attached file with a name.

    Raises:
        MissingPdfError: pypdf is not installed.
        PdfError: not a PDF, no such file or several, or a stream unpacks to more than pypdf's
            limit, 75 MB.
    """
    pypdf = _pypdf()
    try:
        found = pypdf.PdfReader(io.BytesIO(pdf)).attachments.get(name, [])
        one = found[0] if len(found) == 1 else None
    except MemoryError:
        raise
    except Exception as error:  # pypdf raises anything for a damaged file
        raise PdfError(f"not a readable PDF: {str(error)[:200]}") from error
    if one is None:
        raise PdfError(
            f"{len(found)} attached files are called {name!r}; a report of partlens has one"
        )
    return bytes(one)


def _pypdf() -> Any:
    try:
        import pypdf
    except (ImportError, OSError) as error:
        raise MissingPdfError(
            f"reading PDF needs pypdf ({error}): {pip_install('report')}"
        ) from error
    return pypdf
