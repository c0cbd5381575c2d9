"""What can go wrong in a program that runs for long.

ProgramError             base of the errors of the server and of ingest too
├── SettingsError        a setting that does not exist or cannot have this value
└── ListenError          an address that cannot, or must not, be listened on
"""


class ProgramError(Exception):
    """Base of every error that a program of partlens raises on purpose."""


class SettingsError(ProgramError, ValueError):
    """A setting that does not exist or cannot have this value."""


class ListenError(ProgramError, OSError):
    """An address that cannot, or must not, be listened on."""
