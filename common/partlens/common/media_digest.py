"""The digest that names the bytes of an encoded picture."""

import hashlib


def media_digest(data: bytes) -> str:
    """Digest of an encoded picture, as galleries and reports write it.

    >>> media_digest(b"")[:14]
    'sha256:e3b0c44'
    """
    return of_sha256(hashlib.sha256(data).digest())


def of_sha256(digest: bytes) -> str:
    """The same from a SHA-256 of the picture's bytes.

    >>> of_sha256(bytes(2))
    'sha256:0000'
    """
    return f"sha256:{digest.hex()}"
