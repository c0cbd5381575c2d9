"""A process that runs images through a model, seen from the process that keeps the gallery."""

import json
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO, Self, cast

import pyarrow as pa

from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import ExtractionError
from partlens.indexer.extracting.messages import Ended, Listed, Message, read_messages
from partlens.indexer.extraction import Batch

_LAST_WAIT = 10.0
"""Seconds for a child that has closed its output to end."""


class ExtractionProcess:
    """Extracts the images of a source in a child process, at a lower priority.

    The child only reads the gallery; the caller commits the batches. It ends with this process,
    however that ends. Leaving the context kills it.

    Args:
        source: folder or manifest.
        model: model folder.
        gallery: gallery folder; its images need no pass.
        spec: of the model.
        batch_size: images per model pass.
    """

    def __init__(
        self, source: Path, model: Path, gallery: Path, spec: ModelSpec, batch_size: int = 32
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "partlens.indexer.extracting.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C goes to this process only, which then ends the child.
            process_group=0,
        )
        asked = {"source": source, "model": model, "gallery": gallery}
        plain = {name: str(path.absolute()) for name, path in asked.items()}
        given = cast(BinaryIO, self._process.stdin)
        try:
            given.write(json.dumps({**plain, "batch_size": batch_size}).encode() + b"\n")
            given.flush()
        except BrokenPipeError:  # it ended already; reading says why
            pass
        self._messages = self._read(spec.dimensions)

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def kill(self) -> None:
        """End the child; safe while another thread reads, which then raises ExtractionError."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the child, once nobody reads from it."""
        self.kill()
        for file in (self._process.stdin, self._process.stdout):
            if file is not None:
                file.close()

    def listed(self) -> Listed:
        """What the source holds; called once, before batches.

        Raises:
            ExtractionError: the source or the model cannot be read, or the child ended.
        """
        first = self._next()
        if not isinstance(first, Listed):
            raise ExtractionError("the indexing process gave no list of images")
        return first

    def batches(self) -> Generator[Batch, None, None]:
        """The extracted batches, as soon as each is ready.

        Raises:
            ExtractionError: the child ended early; the message says why.
        """
        while True:
            message = self._next()
            if isinstance(message, Ended):
                return
            if isinstance(message, Batch):
                yield message

    def _next(self) -> Message:
        try:
            message = next(self._messages, None)
        except (pa.ArrowException, OSError, ValueError):
            message = None  # cut off within a message
        if message is None:
            raise ExtractionError(f"{self._ending()}; start again to resume")
        if isinstance(message, Ended) and message.problem:
            raise ExtractionError(message.problem)
        return message

    def _read(self, dimensions: int) -> Iterator[Message]:
        # Arrow reads the head of the stream at once, so it waits for the child's first message.
        yield from read_messages(cast(BinaryIO, self._process.stdout), dimensions)

    def _ending(self) -> str:
        try:
            status = self._process.wait(_LAST_WAIT)
        except subprocess.TimeoutExpired:
            return "the indexing process closed its output"
        if status < 0:
            name = signal.Signals(-status).name
            return f"the indexing process ended with {name}, perhaps for lack of memory"
        return f"the indexing process ended with status {status}"
