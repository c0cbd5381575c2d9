"""`partlens config`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from partlens.common.redaction import redacted
from partlens.common.results import json_option, say_result
from partlens.common.terminal import say
from partlens.runtime.config import table
from partlens.runtime.config.options import config_options
from partlens.runtime.config.settings import Loaded, Values, from_texts, load
from partlens.runtime.errors import ProgramError, SettingsError


def load_or_fail(file: Path | None, texts: tuple[str, ...], flags: Values | None = None) -> Loaded:
    """The effective settings, or a one-line error.

    Args:
        texts: values of --set.
        flags: values of the command's own options; None if an option was not given.
    """
    with clear_errors():
        values = from_texts(texts)
        for section, pairs in (flags or {}).items():
            given = {key: value for key, value in pairs.items() if value is not None}
            of_section = values.setdefault(section, {})
            if twice := sorted(key for key in given if key in of_section):
                raise SettingsError(
                    f"--set {section}.{twice[0]} and --{twice[0].replace('_', '-')} are the same"
                    " setting; give it once"
                )
            of_section.update(given)
        return load(values, file)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Show an error of a program as one line."""
    try:
        yield
    except ProgramError as error:
        raise click.ClickException(redacted(str(error))) from error


@click.group()
def config() -> None:
    """Show the effective settings, or the reference page for all settings."""


@config.command()
@config_options
@json_option
def show(file: Path | None, texts: tuple[str, ...], as_json: bool) -> None:
    """Print every effective setting and its origin, as TOML."""
    loaded = load_or_fail(file, texts)
    say_result(table.plain(loaded), table.shown(loaded), as_json=as_json)


@config.command()
def docs() -> None:
    """Print the reference page for all settings, in Markdown."""
    say(table.markdown())
