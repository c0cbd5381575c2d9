"""Names of the galleries of a server."""

import re

UNNAMED = "default"
"""Name of the gallery of a server that was given one gallery without a name."""
RULE = "1 to 63 lower-case letters, digits, _ and -, beginning with a letter or digit"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def is_gallery_name(text: str) -> bool:
    """Whether a text can name a gallery.

    >>> is_gallery_name("people-v2"), is_gallery_name("./people"), is_gallery_name("")
    (True, False, False)
    """
    return _NAME.fullmatch(text) is not None
