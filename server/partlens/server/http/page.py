"""The files of the page, from memory: no path of a request ever reaches the file system."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

FOLDER = Path(__file__).parents[1] / "page"
"""Where the build of the wheel puts the page."""
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
_COMPRESSED = (".html", ".js", ".css", ".svg", ".json", ".webmanifest", ".txt")
_INDEX, _ASSETS = "/index.html", "/assets/"
_FOREVER, _ASK_AGAIN = "public, max-age=31536000, immutable", "no-cache"
_ABSENT = """The page is not part of this installation.

It is built with the wheel. In a checkout, run scripts/setup, which builds it into
server/partlens/server/page, and start the server again.
The methods of the service can be called without it; see docs/api.md.
"""


@dataclass(frozen=True)
class File:
    """A file of the page.

    Attributes:
        data: its bytes.
        compressed: its bytes after gzip; None if that makes it no smaller.
        headers: of a response with the file.
    """

    data: bytes
    compressed: bytes | None
    headers: dict[str, str]

    def response(self, request: Request) -> Response:
        """The file, or 304 if the caller has it."""
        headers = dict(self.headers)
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        accepted = re.split(r"[,\s]+", request.headers.get("accept-encoding", "").lower())
        if self.compressed is not None and "gzip" in accepted:
            return Response(self.compressed, headers=headers | {"Content-Encoding": "gzip"})
        return Response(self.data, headers=headers)


class Page:
    """Answers GET requests with the files of a folder, which are read once.

    Paths without a dot get index.html: the page itself knows what they mean.

    Args:
        folder: index.html, and files whose names change with their contents in assets/.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = dict(
            _file(path, f"/{path.relative_to(folder).as_posix()}")
            for path in sorted(folder.rglob("*"))
            if path.suffix in _TYPES and path.is_file() and not path.is_symlink()
        )

    async def answer(self, request: Request) -> Response:
        """The file for a path."""
        path = request.scope["path"]
        if _INDEX not in self._files and "." not in path:
            return PlainTextResponse(_ABSENT, 404)
        file = self._files.get(_INDEX if "." not in path else path)
        if file is None:
            return PlainTextResponse("There is no such file.\n", 404)
        return file.response(request)


def _file(path: Path, name: str) -> tuple[str, File]:
    data = path.read_bytes()
    packed = gzip.compress(data, mtime=0) if path.suffix in _COMPRESSED else data
    headers = {
        "Content-Type": _TYPES[path.suffix],
        "Cache-Control": _FOREVER if name.startswith(_ASSETS) else _ASK_AGAIN,
        "ETag": f'"{hashlib.sha256(data).hexdigest()[:32]}"',
        "Vary": "Accept-Encoding",
    }
    return name, File(data, packed if len(packed) < len(data) else None, headers)
