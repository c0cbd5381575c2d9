"""New model folders: whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from partlens.common.durable import move_into_place
from partlens.explainer.errors import ModelFileError


def require_free(folder: Path) -> None:
    """Raise ModelFileError if a model would replace what is there."""
    if os.path.lexists(folder):
        raise ModelFileError(f"{folder} already exists; choose another name or remove it")


@contextmanager
def drafted(folder: Path) -> Iterator[Path]:
    """Path of a folder to make in the block, which is moved to `folder` if no error ends it.

    Raises:
        ModelFileError: the folder exists, or the disk refuses to make one there.
    """
    require_free(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        around = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise ModelFileError(
            f"{folder} cannot be made: {error.strerror}; choose another folder"
        ) from error
    try:
        yield around / "model"
        move_into_place(around / "model", folder)
    finally:
        shutil.rmtree(around, ignore_errors=True)
