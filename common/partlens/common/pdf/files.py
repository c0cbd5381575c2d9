"""Writes and reads PDF in a child process, which can be stopped and cannot use up the memory.

WeasyPrint can lay a page out for minutes, and a hostile PDF can keep a reader busy for as long.
"""

import os
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait

from partlens.common.pdf.errors import MissingPdfError, PdfError
from partlens.common.waiting import RequireWaiting, wait_always

WRITE_SECONDS, READ_SECONDS = 300.0, 60.0
"""Default time limits."""
MOST_BYTES = 256 * 2**20
"""Largest PDF."""
REFUSED, MISSING = 3, 4
"""Exit statuses of the child whose standard error is a message for people."""
_POLL_SECONDS = 0.1
_LONGEST_MESSAGE = 2000
_LENGTH = struct.Struct(">Q")


def pdf_of(
    page: str,
    attachment: bytes,
    name: str,
    *,
    seconds: float = WRITE_SECONDS,
    require_waiting: RequireWaiting = wait_always,
) -> bytes:
    """A page as PDF, with a JSON file attached.

    Nothing is fetched: pictures of the page are data URIs.

    Args:
        page: HTML.
        attachment, name: content and name of the attached file.
        seconds: time limit.
        require_waiting: called while the page is laid out; stops it with what it raises.

    Raises:
        MissingPdfError: WeasyPrint, or a library or font that it needs, is not installed.
        PdfError: it takes longer than the time limit, or more memory than allowed.
    """
    encoded = page.encode()
    data = b"".join((_LENGTH.pack(len(encoded)), encoded, attachment))
    return _child("write", name, data, seconds, require_waiting)


def attached_file(pdf: bytes, name: str, *, seconds: float = READ_SECONDS) -> bytes:
    """The file that is attached to a PDF under a name.

    Raises:
        MissingPdfError: pypdf is not installed.
        PdfError: not a PDF, no such file, too large, or it takes longer than the time limit.
    """
    return _child("read", name, pdf, seconds, wait_always)


def split(data: bytes) -> tuple[str, bytes]:
    """The page and the attachment that pdf_of sends."""
    (length,) = _LENGTH.unpack_from(data)
    page = data[_LENGTH.size : _LENGTH.size + length]
    return page.decode(), data[_LENGTH.size + length :]


def _child(
    job: str, name: str, data: bytes, seconds: float, require_waiting: RequireWaiting
) -> bytes:
    # Nothing in the child needs a token.
    environment = {key: one for key, one in os.environ.items() if not key.startswith("PARTLENS_")}
    command = [sys.executable, "-P", "-m", "partlens.common.pdf.child", job, name, str(seconds)]
    end = time.monotonic() + seconds
    with (
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        ) as child,
        # communicate with a time limit loses what it has not written when the time is over.
        ThreadPoolExecutor(1, "partlens-pdf") as talking,
    ):
        answer = talking.submit(child.communicate, data)
        try:
            while not answer.done():
                wait([answer], timeout=_POLL_SECONDS)
                require_waiting()
                if time.monotonic() > end:
                    raise PdfError(_too_long(job, seconds))
        finally:
            child.kill()
        out, said = answer.result()
    return _result(job, child.returncode, out, said.decode(errors="replace"), seconds)


def _result(job: str, status: int, out: bytes, said: str, seconds: float) -> bytes:
    message = said.strip()[-_LONGEST_MESSAGE:]
    if status == 0:
        return out
    if status == MISSING:
        raise MissingPdfError(message)
    if status == REFUSED:
        raise PdfError(message)
    if status < 0:  # by a signal: the limit of processor time, or the system lacks memory
        raise PdfError(f"{_too_long(job, seconds)}, or the system stopped it")
    verb = "written" if job == "write" else "read"
    raise PdfError(f"the PDF cannot be {verb}: {message.rpartition(chr(10))[2]}")


def _too_long(job: str, seconds: float) -> str:
    if job == "write":
        return f"writing the PDF takes longer than {seconds:g} s; report fewer hits, or write HTML"
    return f"reading the PDF takes longer than {seconds:g} s"
