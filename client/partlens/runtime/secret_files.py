"""Secrets from the files that settings name. No error holds any part of a secret."""

import re
from pathlib import Path

from partlens.runtime.errors import SettingsError

_PRINTABLE = re.compile(r"[\x20-\x7e]+")


def read_secret(file: Path, setting: str) -> str:
    """A password, or a token, without the blanks around it.

    Args:
        setting: name of the setting, for errors.

    Raises:
        SettingsError: the file cannot be read, or is not one line of text.
    """
    try:
        text = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{setting} = {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"{setting} = {file} is not UTF-8 text") from None
    if not text.isprintable() or not text:
        raise SettingsError(f"{setting} = {file} must hold one line of text, and nothing else")
    return text


def read_token(file: Path, setting: str) -> str:
    """The same for what is sent in a header, which must be ASCII."""
    text = read_secret(file, setting)
    if not _PRINTABLE.fullmatch(text):
        raise SettingsError(f"{setting} = {file} must hold a token of ASCII characters")
    return text


def readable_by_others(file: Path) -> str:
    """What is wrong with the mode of a file of secrets; empty if nothing is, or it is missing.

    Its group may read it, since services are often given secrets that way.
    """
    try:
        mode = file.stat().st_mode & 0o777
    except OSError:
        return ""
    if not mode & 0o026:
        return ""
    return f"{file} has mode {mode:04o}, so others can read or change it; use chmod 600"
