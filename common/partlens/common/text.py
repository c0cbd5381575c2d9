"""Texts from outside, made safe to print."""

import unicodedata

_LINES = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories: control characters, lone surrogates, line and paragraph separators."""
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the display order of others."""


def is_one_line(text: str) -> bool:
    """Whether a text has no control character, line separator or lone surrogate.

    Spaces of every kind, joiners and everything else that occurs in names are allowed.

    >>> is_one_line("5.12\u202fPM"), is_one_line("a\\nb"), is_one_line("caf\\udce9")
    (True, False, False)
    """
    return text.isprintable() or not any(unicodedata.category(one) in _LINES for one in text)


def visible(text: str) -> str:
    r"""A text that is safe to print: control and unencodable characters are escaped.

    >>> visible("a\x1b[2J\u202fb")
    'a\\x1b[2J\u202fb'
    """
    if text.isprintable():
        return text
    return "".join(one if is_shown_as_is(one) else ascii(one)[1:-1] for one in text)


def is_shown_as_is(one: str) -> bool:
    """Whether a terminal shows the character unchanged, without affecting the others."""
    return is_one_line(one) and one not in _DIRECTIONS
