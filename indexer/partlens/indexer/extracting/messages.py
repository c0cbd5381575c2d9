"""What an extracting child writes: an Arrow stream of new images, with JSON beside each batch."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from partlens.common.metadata import Metadata
from partlens.indexer.extraction import BadImage, Batch
from partlens.indexer.gallery import Correction, NewImage

_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("uri", pa.string()),
        ("media_digest", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("thumbnail", pa.binary()),
        ("metadata", pa.string()),
        ("contributions", pa.large_binary()),  # float32 [P, D]
        ("bias", pa.binary()),  # float32 [D]
    ]
)
_KEY = b"message"


@dataclass(frozen=True)
class Listed:
    """The first message: what the source holds.

    Attributes:
        total: number of images.
        ignored: everything else in the folder, in one line; "" if nothing.
    """

    total: int
    ignored: str


@dataclass(frozen=True)
class Ended:
    """The last message.

    Attributes:
        problem: why extraction ended early; "" if it did not.
    """

    problem: str = ""


Message = Listed | Batch | Ended


class MessageWriter:
    """Writes messages to a file that a process reads with read_messages."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._stream = pa.ipc.new_stream(file, _SCHEMA)

    def write(self, message: Message) -> None:
        """Write a message; the reader can have it when this returns.

        Raises:
            OSError: the reader is gone.
        """
        images = message.images if isinstance(message, Batch) else ()
        rows = pa.RecordBatch.from_pylist([_row(image) for image in images], _SCHEMA)
        self._stream.write_batch(rows, custom_metadata={_KEY: json.dumps(_plain(message))})
        self._file.flush()


def read_messages(file: BinaryIO, dimensions: int) -> Iterator[Message]:
    """The messages of a MessageWriter, until its file ends.

    Args:
        dimensions: of the model.

    Raises:
        pa.ArrowException, OSError: the file ends within a message.
    """
    with pa.ipc.open_stream(file) as stream:
        for rows, more in stream.iter_batches_with_custom_metadata():
            match json.loads(more[_KEY]):
                case {"total": int(total), "ignored": str(ignored)}:
                    yield Listed(total, ignored)
                case {"problem": str(problem)}:
                    yield Ended(problem)
                case plain:
                    yield _batch(rows, plain, dimensions)


def _plain(message: Message) -> Mapping[str, object]:
    if isinstance(message, Listed | Ended):
        return vars(message)
    return {
        "corrections": [
            {**vars(one), "metadata": metadata_text(one.metadata)} for one in message.corrections
        ],
        "bad": [vars(one) for one in message.bad],
        "unchanged": message.unchanged,
    }


def _batch(rows: pa.RecordBatch, plain: Mapping[str, Any], dimensions: int) -> Batch:
    corrections = [
        Correction(**{**one, "metadata": metadata_of(one["metadata"])})
        for one in plain["corrections"]
    ]
    bad = [BadImage(**one) for one in plain["bad"]]
    return Batch(_images(rows, dimensions), corrections, bad, plain["unchanged"])


def _row(image: NewImage) -> Mapping[str, object]:
    return {
        **vars(image),
        "metadata": metadata_text(image.metadata),
        "contributions": image.contributions.astype(np.float32).tobytes(),
        "bias": image.bias.astype(np.float32).tobytes(),
    }


def _images(rows: pa.RecordBatch, dimensions: int) -> Sequence[NewImage]:
    return [
        NewImage(
            **{
                **row,
                "metadata": metadata_of(row["metadata"]),
                "contributions": np.frombuffer(row["contributions"], np.float32).reshape(
                    -1, dimensions
                ),
                "bias": np.frombuffer(row["bias"], np.float32),
            }
        )
        for row in rows.to_pylist()
    ]


def metadata_text(metadata: Metadata) -> str:
    """Metadata as JSON."""
    at = metadata.captured_at and metadata.captured_at.isoformat()
    return json.dumps(
        {**vars(metadata), "captured_at": at, "attributes": dict(metadata.attributes)}
    )


def metadata_of(text: str) -> Metadata:
    """The metadata that metadata_text wrote."""
    plain = json.loads(text)
    at = plain["captured_at"]
    return Metadata(**{**plain, "captured_at": at and datetime.fromisoformat(at)})
