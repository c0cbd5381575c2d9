"""Ids of images."""

from partlens.common.text import is_one_line

MAX_ID = 512
"""Maximum number of characters in an id."""


class IdError(ValueError):
    """A text that cannot name an image; the message says why."""


def require_id(id: str) -> None:
    """Raise IdError unless the id can name an image.

    Spaces of every kind, joiners and other characters that occur in names are allowed. Control
    characters, line separators and bytes of a file name that are not UTF-8 are not.
    """
    if not 1 <= len(id) <= MAX_ID:
        raise IdError(f"id {id[:80]!r} has {len(id)} characters; 1 to {MAX_ID} are allowed")
    if not is_one_line(id):
        raise IdError(
            f"id {id[:80]!r} contains a control character, line break or bytes that are not UTF-8;"
            " remove them"
        )
