"""Files as a gallery names them: their uri, and the folder that starts a derived id."""

import os
from pathlib import Path, PurePosixPath
from urllib.parse import unquote_to_bytes, urlsplit


def file_uri(path: Path) -> str:
    """The file: URI of a path, the same however the path leads there through "..".

    >>> file_uri(Path("/data/gate/../yard/a.jpg"))
    'file:///data/yard/a.jpg'
    """
    return straight(path).as_uri()


def straight(path: Path) -> Path:
    """The absolute path without "..". Links behind the last ".." stay, as in a path without one."""
    _, *parts = path.absolute().parts
    if ".." not in parts:
        return Path("/", *parts)  # some systems' absolute paths begin with two slashes
    last = max(at for at, part in enumerate(parts, start=1) if part == "..")
    return Path(os.path.realpath(Path("/", *parts[:last])), *parts[last:])


def path_of(uri: str) -> PurePosixPath | None:
    """The absolute path that a uri names on this machine; None if it names none.

    That is a file: URI without a host, or a path. Looks at no file.

    >>> path_of("file:///data/a%20b.jpg"), path_of("/data/a%20b.jpg")
    (PurePosixPath('/data/a b.jpg'), PurePosixPath('/data/a%20b.jpg'))
    >>> path_of("file://host/a.jpg"), path_of("https://a/b.jpg"), path_of("/data/../etc/x")
    (None, None, None)
    """
    text = uri
    if not uri.startswith("/"):
        try:
            parts = urlsplit(uri)
        except ValueError:
            return None
        beyond = parts.netloc not in ("", "localhost") or "?" in uri or "#" in uri
        if parts.scheme != "file" or beyond:
            return None
        text = os.fsdecode(unquote_to_bytes(parts.path))
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or "\0" in text:
        return None
    return path


def id_below(folder: Path, name: str) -> str:
    """The id of a file of this name, with "/", below a folder: tells apart what folders share.

    Args:
        folder: a relative one, or a link to another, counts by its real name.

    >>> id_below(Path("/dcim/2024"), "IMG_1.jpg"), id_below(Path("/"), "IMG_1.jpg")
    ('2024/IMG_1.jpg', 'IMG_1.jpg')
    """
    start = folder.resolve().name
    return f"{start}/{name}" if start else name
