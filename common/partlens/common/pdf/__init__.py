"""HTML to PDF, and files attached to a PDF, in a process of their own with limits."""

from partlens.common.pdf.errors import MissingPdfError, PdfError
from partlens.common.pdf.files import attached_file, pdf_of

__all__ = ["MissingPdfError", "PdfError", "attached_file", "pdf_of"]
