"""Lays a page out as PDF. Only the child process imports this."""

import io
from typing import Any

from partlens.common.installing import pip_install
from partlens.common.pdf.errors import MissingPdfError, PdfError
from partlens.common.pdf.files import MOST_BYTES

_INSTALL = (
    f"{pip_install('report')}, and its libraries, on Debian: apt install libpango-1.0-0"
    " libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core"
)
_VARIANT = "pdf/a-3u"
"""Long-term archive format that allows attached files of any kind; text can be searched."""


def write(page: str, attachment: bytes, name: str) -> bytes:
    """A page as tagged PDF, with a file attached.

    Raises:
        MissingPdfError: a library is missing, or there is no font at all.
        PdfError: the PDF is larger than MOST_BYTES.
    """
    weasyprint = _weasyprint()
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=("data",), allow_redirects=False)
    file = weasyprint.Attachment(
        string=attachment, name=name, description="Data of the report", relationship="Data"
    )
    document = weasyprint.HTML(string=page, url_fetcher=fetcher).render(
        pdf_variant=_VARIANT, pdf_tags=True
    )
    document.metadata.attachments = [*(document.metadata.attachments or ()), file]
    out = io.BytesIO()
    document.write_pdf(out, pdf_variant=_VARIANT, pdf_tags=True)
    if not document.fonts:
        raise MissingPdfError(
            "no font is installed, so a PDF would have no text; install one, on Debian:"
            " apt install fonts-dejavu-core"
        )
    if out.tell() > MOST_BYTES:
        raise PdfError(
            f"the PDF has {out.tell()} bytes; at most {MOST_BYTES} are allowed: report fewer hits"
        )
    return out.getvalue()


def _weasyprint() -> Any:
    try:
        import weasyprint
        import weasyprint.urls
    except (ImportError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise MissingPdfError(f"writing PDF needs WeasyPrint ({reason}): {_INSTALL}") from error
    return weasyprint
