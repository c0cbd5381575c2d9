"""Errors of long-running programs.

ProgramError             also the base of the errors of the server and of ingest
├── SettingsError        a setting that does not exist or cannot have this value
└── ListenError          an address that cannot, or must not, be listened on
"""


class ProgramError(Exception):
    """Base of every error that a partlens program raises on purpose."""


class SettingsError(ProgramError, ValueError):
    """A setting that does not exist or cannot have this value."""


class ListenError(ProgramError, OSError):
    """An address that cannot, or must not, be listened on."""
