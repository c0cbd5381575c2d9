"""Pictures to measure with: those of a folder, or generated ones."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from partlens.explainer.starter.pictures import generate
from partlens.explainer.starter.pictures.manifest import write_pictures
from partlens.indexer.sources import SourceImage, read_source

Command = Callable[..., Any]


def model_and_images(command: Command) -> Command:
    """Add --model and --images to a command."""
    path = click.Path(path_type=Path)
    images = click.option(
        "--images", type=path, help="Folder or manifest; by default generated JPEGs."
    )
    model = click.option("--model", type=path, help="Model folder; by default the starter model.")
    return model(images(command))


@contextmanager
def given_images(folder: Path | None, count: int) -> Iterator[Sequence[SourceImage]]:
    """The first images of a folder or manifest; generated JPEGs for None.

    Raises:
        SourceError: the folder or manifest cannot be read.
    """
    if folder is not None:
        yield read_source(folder).images[:count]
        return
    with tempfile.TemporaryDirectory(prefix="partlens-bench-") as made:
        write_pictures(generate(count, 0, 4), Path(made))
        yield read_source(Path(made)).images
