"""A child process that runs the images of a source through a model.

The first line of its standard input is JSON with `source`, `model` and `gallery` (paths) and
`batch_size`. It ends when its standard input does, so it never outlives its parent. Its standard
output is described in messages.py.
"""

import json
import os
import threading
import traceback
from contextlib import closing
from pathlib import Path
from typing import Any

_NICE = 10
"""Added to the niceness: whatever answers callers goes first."""


def main() -> None:
    """Extract, and write messages."""
    os.nice(_NICE)
    asked = json.loads(_first_line())
    threading.Thread(target=_end_with_parent, name="partlens-parent", daemon=True).start()
    answers = os.dup(1)
    os.dup2(2, 1)  # output of libraries must not mix with the messages
    with os.fdopen(answers, "wb") as file:
        _extract(asked, file)
    # An ordinary exit may wait for a thread that reads from an unresponsive disk.
    os._exit(0)


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        read = os.read(0, 4096)
        if not read:
            os._exit(1)
        line += read
    return line


def _end_with_parent() -> None:
    # Not through sys.stdin, whose lock would then be held when the interpreter shuts down.
    os.read(0, 1)
    os._exit(1)


def _extract(asked: dict[str, Any], file: Any) -> None:
    from partlens.explainer.errors import ExplainerError
    from partlens.explainer.model import MetricModel
    from partlens.indexer.errors import IndexerError
    from partlens.indexer.extracting.messages import Ended, Listed, MessageWriter
    from partlens.indexer.extraction import extract
    from partlens.indexer.gallery import Gallery
    from partlens.indexer.sources import read_source

    writer = MessageWriter(file)
    try:
        listing = read_source(Path(asked["source"]))
        writer.write(Listed(len(listing), listing.not_looked_at))
        model = MetricModel.load(Path(asked["model"]))
        with Gallery.open(Path(asked["gallery"]), model.spec) as gallery:
            held = gallery.view.holdings()
        with closing(extract(model, listing, held, asked["batch_size"])) as batches:
            for batch in batches:
                writer.write(batch)
    except BrokenPipeError:
        os._exit(1)  # nobody is left to tell
    except (IndexerError, ExplainerError, OSError) as error:
        writer.write(Ended(str(error)))
    except MemoryError:
        writer.write(Ended("there is not enough memory"))
    except Exception as error:
        traceback.print_exc()
        writer.write(Ended(f"{type(error).__name__}: {error}"))
    else:
        writer.write(Ended())


if __name__ == "__main__":
    main()
