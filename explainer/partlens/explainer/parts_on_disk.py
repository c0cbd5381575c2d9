"""The files of a model folder, read once: what is checked is what is used.

A folder may be untrusted: a link in it could lead anywhere, and a file could have any size.
"""

import errno
import os
from pathlib import Path

from partlens.common.files import open_regular
from partlens.explainer.errors import ModelFileError

MODEL_FILE = "model.json"
BACKBONE_FILE = "backbone.onnx"
HEAD_FILE = "head.json"
WEIGHTS_FILE = "head.safetensors"
MOST_BYTES = {
    MODEL_FILE: 2**20,
    HEAD_FILE: 2**24,
    BACKBONE_FILE: 2**31 - 1,  # what protobuf can hold
    WEIGHTS_FILE: 2**31 - 1,
}
"""Largest size of each file of a model folder, in bytes."""


def read_part(folder: Path, name: str) -> bytes:
    """The content of one of the files of a model folder.

    Args:
        name: a key of MOST_BYTES.

    Raises:
        ModelFileError: it is missing, unreadable, too large, or a link.
    """
    most = MOST_BYTES[name]
    try:
        if (folder / name).is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        with open(folder / name, "rb", opener=_no_link) as file:
            data = file.read(most + 1) if os.fstat(file.fileno()).st_size <= most else None
    except FileNotFoundError as error:
        raise ModelFileError(
            f"{folder} is not a model folder: it has no {name}; make one with"
            " `partlens model import`"
        ) from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ModelFileError(
                f"{name} of the model folder {folder} is a link; copy the file itself there"
            ) from error
        raise ModelFileError(
            f"{name} of the model folder {folder} cannot be read: {error.strerror}"
        ) from error
    if data is None or len(data) > most:
        raise ModelFileError(
            f"{name} of the model folder {folder} is larger than {most:,} bytes, which are allowed"
        )
    return data


def _no_link(path: str, flags: int) -> int:
    return open_regular(path, flags | os.O_NOFOLLOW)
