"""The exit codes of `partlens`, and the errors that end a command with each."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import click

FAILED, USAGE, INTERRUPTED = 1, 2, 130


class Meaning(NamedTuple):
    """An exit code.

    Attributes:
        text: its meaning, for the documentation.
        errors: module:class of the errors that end with it, so that listing them imports none. The
            nearest class in an error's ancestry counts.
    """

    text: str
    errors: tuple[str, ...] = ()


EXIT_CODES: Mapping[int, Meaning] = {
    0: Meaning("Success. A search without hits is a success too."),
    FAILED: Meaning(
        "Failure for another reason, such as a full disk; or a check that found problems (`doctor`,"
        " `index verify`, `audit verify`, `report verify`)."
    ),
    USAGE: Meaning("The command line is wrong: an unknown option, a missing or invalid value."),
    3: Meaning(
        "No server answers, it is not ready, or it did not answer in time. Redis counts too.",
        (
            "partlens.client.errors:UnavailableError",
            "partlens.client.errors:DeadlineError",
            "redis.exceptions:ConnectionError",
            "redis.exceptions:TimeoutError",
            "builtins:ConnectionError",
        ),
    ),
    4: Meaning(
        "Access is refused: the token is missing, invalid or does not allow this, or the"
        " credentials cannot be used.",
        ("partlens.client.errors:AccessError", "partlens.client.errors:CredentialsError"),
    ),
    5: Meaning(
        "There is no such image, query, standing query, gallery or token.",
        (
            "partlens.client.errors:NotFoundError",
            "partlens.indexer.errors:NotFoundError",
            "partlens.server.errors:UnknownTokenError",
        ),
    ),
    6: Meaning(
        "Bad input: a file, picture, region, model, manifest or setting cannot be read or used.",
        (
            "partlens.client.errors:RequestError",
            "partlens.client.errors:AddressError",
            "partlens.client.report.errors:RecordError",
            "partlens.explainer.errors:ExplainerError",
            "partlens.indexer.errors:SourceError",
            "partlens.indexer.errors:OriginalError",
            "partlens.indexer.errors:InvalidImageError",
            "partlens.runtime.errors:SettingsError",
            "builtins:FileNotFoundError",
            "builtins:IsADirectoryError",
            "builtins:NotADirectoryError",
            "builtins:PermissionError",
        ),
    ),
    7: Meaning(
        "A limit of the server is exceeded, or another process is writing to the gallery.",
        ("partlens.client.errors:ExhaustedError", "partlens.indexer.errors:LockedError"),
    ),
    8: Meaning(
        "A conflict with what is there: the gallery has changed, belongs to another model or"
        " already exists.",
        (
            "partlens.client.errors:StaleError",
            "partlens.indexer.errors:ModelMismatchError",
            "partlens.indexer.errors:AlreadyExistsError",
        ),
    ),
    INTERRUPTED: Meaning("Interrupted by Ctrl-C (SIGINT); SIGTERM gives 143."),
}
"""Exit code -> what it means. Codes are stable: scripts may depend on them."""

_OF_ERRORS = {name: code for code, meaning in EXIT_CODES.items() for name in meaning.errors}


def set_exit_code(error: click.ClickException) -> None:
    """Give an error the exit code of what caused it. A usage error keeps its own."""
    if error.exit_code == FAILED:
        vars(error)["exit_code"] = code_of(error)


def code_of(error: BaseException) -> int:
    """The exit code for an error: that of the nearest cause in the table, else FAILED."""
    for cause in _causes(error):
        for kind in type(cause).__mro__:
            if (code := _OF_ERRORS.get(f"{kind.__module__}:{kind.__name__}")) is not None:
                return code
    return FAILED


def markdown() -> str:
    """The table of the documentation."""
    rows = [f"| {code} | {meaning.text} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join(["| code | meaning |", "| --- | --- |", *rows])


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
