"""The process that writes or reads a PDF: `python -m partlens.common.pdf.child JOB NAME SECONDS`.

It reads standard input and writes the result to standard output. See `files`.
"""

import logging
import resource
import sys

from partlens.common.pdf.errors import MissingPdfError, PdfError
from partlens.common.pdf.files import MISSING, REFUSED, split

_MEMORY_BYTES = 2 * 2**30


def main() -> int:
    """Do the job; returns the exit status."""
    job, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    _limit(_MEMORY_BYTES, round(seconds) + 5)
    logging.disable()  # standard error is for the one message
    data = sys.stdin.buffer.read()
    try:
        sys.stdout.buffer.write(_done(job, name, data))
        sys.stdout.buffer.flush()
    except MissingPdfError as error:
        return _say(error, MISSING)
    except PdfError as error:
        return _say(error, REFUSED)
    except MemoryError:
        return _say(PdfError("the PDF takes more memory than is allowed"), REFUSED)
    return 0


def _done(job: str, name: str, data: bytes) -> bytes:
    if job == "write":
        from partlens.common.pdf.writing import write

        page, attachment = split(data)
        return write(page, attachment, name)
    from partlens.common.pdf.reading import read

    return read(data, name)


def _limit(memory: int, seconds: int) -> None:
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        _, allowed = resource.getrlimit(kind)
        most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(kind, (most, most))


def _say(error: PdfError, status: int) -> int:
    print(error, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
