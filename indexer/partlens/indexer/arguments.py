"""Arguments that several commands on galleries take, and how their errors are told."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from partlens.explainer.errors import ExplainerError
from partlens.indexer.errors import IndexerError

GALLERY = click.argument("gallery", type=click.Path(path_type=Path))
MODEL = click.option(
    "--model", required=True, type=click.Path(path_type=Path), help="Model folder."
)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Errors raised on purpose become one line."""
    try:
        yield
    except (IndexerError, ExplainerError) as error:
        raise click.ClickException(str(error)) from error
