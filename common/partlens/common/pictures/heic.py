"""HEIC, the format of phones, which Pillow reads with pillow-heif alone."""

from functools import cache

NAME, FORMAT = "HEIC", "HEIF"
"""What pillow-heif calls it."""
_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)


def is_heic(data: bytes) -> bool:
    """Whether data may be HEIC, by the brand that its first box names.

    >>> is_heic(b"\\0\\0\\0\\x18ftypheic"), is_heic(b"\\x89PNG")
    (True, False)
    """
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS


@cache
def can_read() -> bool:
    """Teach Pillow to read HEIC; False if pillow-heif is not installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True
