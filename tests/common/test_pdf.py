"""PDF of a page: what it holds, that nothing is fetched, and its limits."""

import io
import socket
import threading
from pathlib import Path
from typing import Any

import pypdf
import pytest

from partlens.common.pdf import MissingPdfError, PdfError, attached_file, pdf_of

PAGE = """<!doctype html><html lang="en"><title>A &amp; B</title>
<h1>Heading</h1><p>text of the page</p><h2 style="break-before: page">Second</h2>"""


def test_a_pdf_has_text_pages_bookmarks_tags_and_its_file() -> None:
    data = pdf_of(PAGE, b'{"a": 1}', "data.json")
    read = pypdf.PdfReader(io.BytesIO(data))
    assert len(read.pages) == 2
    assert "text of the page" in read.pages[0].extract_text()
    assert read.metadata is not None and read.metadata.title == "A & B"
    outline: Any = read.outline
    root: Any = read.root_object
    first, second = outline
    assert first["/Title"] == "Heading" and second[0]["/Title"] == "Second"
    assert root["/MarkInfo"]["/Marked"] and root["/Lang"] == "en"
    assert b"pdfaid" in root["/Metadata"].get_data()
    assert attached_file(data, "data.json") == b'{"a": 1}'


def test_nothing_is_fetched(tmp_path: Path) -> None:
    """Neither from the network nor from the disk; the page is written without it."""
    secret = tmp_path / "secret.css"
    secret.write_text("p::before { content: 'from the disk' }")
    asked: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"

        def listen() -> None:
            try:
                asked.append(server.accept())
            except OSError:
                pass

        listening = threading.Thread(target=listen)
        listening.start()
        page = f"""<!doctype html><html lang="en"><title>a</title>
        <link rel="stylesheet" href="{secret.as_uri()}">
        <link rel="attachment" href="{secret.as_uri()}">
        <style>@import "{address}/a.css"; body {{ background: url({address}/b.png) }}</style>
        <p>text</p><img src="{address}/c.png" alt="c"><img src="{secret.as_uri()}" alt="d">
        <object data="{address}/e"></object><img src="data:text/html,x" alt="f">"""
        read = pypdf.PdfReader(io.BytesIO(pdf_of(page, b"{}", "data.json")))
        server.shutdown(socket.SHUT_RDWR)
        listening.join(20)
    assert not asked
    assert "from the disk" not in read.pages[0].extract_text()
    assert list(read.attachments) == ["data.json"]


def test_a_large_file_comes_back_whole() -> None:
    """More than a pipe holds, both ways."""
    large = bytes(range(256)) * 2**13
    assert attached_file(pdf_of(PAGE, large, "data.json"), "data.json") == large


def test_a_page_that_takes_too_long_is_given_up() -> None:
    page = "<!doctype html><title>a</title>" + "<p>word</p>" * 200_000
    with pytest.raises(PdfError, match=r"longer than 0\.5 s; report fewer hits"):
        pdf_of(page, b"{}", "data.json", seconds=0.5)


def test_a_caller_that_leaves_ends_it() -> None:
    class LeftError(Exception):
        pass

    def leave() -> None:
        raise LeftError

    with pytest.raises(LeftError):
        pdf_of("<p>word</p>" * 200_000, b"{}", "data.json", require_waiting=leave)


@pytest.mark.parametrize("library", ["weasyprint", "pypdf"])
def test_a_missing_library_is_named_with_what_to_install(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{library}.py").write_text("raise OSError('cannot load library libpango')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MissingPdfError, match=r'pip install "partlens\[report\]"'):
        if library == "weasyprint":
            pdf_of(PAGE, b"{}", "data.json")
        else:
            attached_file(b"%PDF-1.7", "data.json")
