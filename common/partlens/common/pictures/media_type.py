"""The media type of an encoded picture, by its first bytes."""

UNKNOWN = "application/octet-stream"
_STARTS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def media_type(data: bytes) -> str:
    """One of the types that every browser shows as a picture and never runs, or UNKNOWN.

    >>> media_type(b"GIF89a..."), media_type(b"<svg>")
    ('image/gif', 'application/octet-stream')
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _STARTS if data.startswith(start)), UNKNOWN)
