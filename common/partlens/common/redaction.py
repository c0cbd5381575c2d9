"""Texts without the secrets that they may hold: for errors, logs and lists of settings."""

import re

HIDDEN = "***"

# Bounded, so that a long text takes time in proportion to its length.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s'\"<>]+")
_PARTS = re.compile(r"(?s)((?:[A-Za-z][A-Za-z0-9+.-]*://)?)(.*)")
_VALUE = re.compile(r"(?s)=[^&;]+")
_SCHEME = re.compile(r"(?i)\b(bearer|basic) +[^\s'\",]+")
_NAME = (
    r"(?i)((?:password|passwd|passphrase|secret|(?:api|access)[_-]?key|signature|authorization"
    r"|(?:access[_-]|\b)token)"
)
_PAIR = re.compile(rf"{_NAME}=)[^\s'\",;&]+")
_QUOTED = re.compile(rf"{_NAME}['\"]?(?:=|: ?)b?)(['\"])(?:(?!\2)[^\n])+")
_TOKEN = re.compile(r"\b(plt_[0-9A-Za-z]+_)[A-Za-z0-9_-]+")


def redacted_url(url: str) -> str:
    """A URL or address without user, password, values of its query, and fragment.

    >>> redacted_url("https://user:pass@host/path?token=1&x=2#part")
    'https://***@host/path?token=***&x=***#***'
    """
    found = _PARTS.fullmatch(url)
    scheme, rest = (found[1], found[2]) if found else ("", url)
    user, at, rest = rest.rpartition("@")
    rest, hash, _ = rest.partition("#")
    rest, question, query = rest.partition("?")
    if query:
        query = _VALUE.sub(f"={HIDDEN}", query) if "=" in query else HIDDEN
    shown_user = HIDDEN if at else user
    return f"{scheme}{shown_user}{at}{rest}{question}{query}{hash}{HIDDEN if hash else ''}"


def redacted(text: str) -> str:
    """A text with each secret that can be recognised replaced by three asterisks.

    Those are: users, passwords, values and fragments in URLs; what follows `Bearer`, `Basic` or
    `password=`; and tokens of partlens.

    >>> redacted("GET http://u:p@h/?k=v failed: b'Bearer abc'")
    "GET http://***@h/?k=*** failed: b'Bearer ***'"
    """
    # Looking for a character is much faster than for these patterns, and most lines have few.
    if "://" in text:
        text = _URL.sub(lambda url: redacted_url(url[0]), text)
    if " " in text:
        text = _SCHEME.sub(rf"\1 {HIDDEN}", text)
    if "=" in text:
        text = _PAIR.sub(rf"\1{HIDDEN}", text)
    if "'" in text or '"' in text:
        text = _QUOTED.sub(rf"\1\2{HIDDEN}", text)
    if "plt_" in text:
        text = _TOKEN.sub(rf"\1{HIDDEN}", text)
    return text
