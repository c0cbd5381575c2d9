"""Query ids: how a later call refers to a query image."""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from partlens.server.errors import UnknownQueryError

_ID = re.compile(r"q-[0-9a-f]{40}(?:-([A-Za-z0-9_-]{1,4096}))?")


def query_id(model_digest: str, kind: str, *parts: bytes) -> str:
    """The id of a query image: a digest, so that the same image has the same id in every process.

    Args:
        kind: source of the image. A gallery image is stored with less precision than a pass gives,
            so it must not share an id with the picture.
        parts: identifies the image within its source.

    >>> query_id("sha256:m", "data", b"ab") == query_id("sha256:m", "data", b"a", b"b")
    False
    """
    total = hashlib.sha256()
    for part in (model_digest.encode(), kind.encode(), *parts):
        total.update(len(part).to_bytes(8, "big") + part)
    return f"q-{total.hexdigest()[:40]}"


def stored_query_id(model_digest: str, image_id: str, media_digest: str) -> str:
    """The query id of a gallery image; any server can find the image by it.

    >>> image_of(stored_query_id("sha256:m", "a/1.jpg", "sha256:1"))
    'a/1.jpg'
    """
    digest = query_id(model_digest, "gallery", image_id.encode(), media_digest.encode())
    return f"{digest}-{urlsafe_b64encode(image_id.encode()).decode().rstrip('=')}"


def image_of(id: str, where: str = "") -> str | None:
    """The id of the gallery image that a query id names; None for a picture's query id.

    Args:
        where: see UnknownQueryError.

    Raises:
        UnknownQueryError: the text is not a query id.
    """
    known = _ID.fullmatch(id)
    if known is None:
        raise UnknownQueryError(id, where)
    text = known[1]
    if text is None:
        return None
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError as error:
        raise UnknownQueryError(id, where) from error
