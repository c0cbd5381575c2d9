"""`partlens config`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from partlens.runtime.config import table
from partlens.runtime.config.options import config_options
from partlens.runtime.config.settings import Loaded, Values, from_texts, load
from partlens.runtime.errors import ProgramError, SettingsError


def load_or_fail(file: Path | None, texts: tuple[str, ...], flags: Values | None = None) -> Loaded:
    """The settings in force, or a one-line error.

    Args:
        texts: of --set.
        flags: of a command's own options; those that are None were not given.
    """
    with clear_errors():
        values = from_texts(texts)
        for section, pairs in (flags or {}).items():
            given = {key: value for key, value in pairs.items() if value is not None}
            of_section = values.setdefault(section, {})
            if twice := sorted(key for key in given if key in of_section):
                raise SettingsError(
                    f"--set {section}.{twice[0]} and --{twice[0].replace('_', '-')} are one"
                    " setting; give it once"
                )
            of_section.update(given)
        return load(values, file)


@contextmanager
def clear_errors() -> Iterator[None]:
    """An error of a program becomes one line."""
    try:
        yield
    except ProgramError as error:
        raise click.ClickException(str(error)) from error


@click.group()
def config() -> None:
    """Show the settings, or the page that explains them."""


@config.command()
@config_options
def show(file: Path | None, texts: tuple[str, ...]) -> None:
    """Print every setting in force, and where it came from, as TOML."""
    click.echo(table.shown(load_or_fail(file, texts)))


@config.command()
def docs() -> None:
    """Print the page that explains every setting, in Markdown."""
    click.echo(table.markdown())
