"""What a worker hands to the process that commits: a row of a Ray data set."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from partlens.indexer.errors import ExtractionError
from partlens.indexer.extracting.messages import Ended, MessageWriter, read_messages
from partlens.indexer.extraction import Batch
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.staging import Staged
from partlens.indexer.indexing import Progress, require_good


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a block.

    Attributes:
        first: number of its first image in the source.
        revision: of the rows that are staged.
        staged: rows of the images that are new; None if there are none.
        batches: the other images.
        problem: why no block can be worked on; "" if this one was.
        given_up: the workers that had the block ended, as often as is tried.
    """

    first: int
    revision: int
    staged: Staged | None
    batches: Sequence[Batch]
    problem: str = ""
    given_up: bool = False

    def row(self) -> dict[str, Any]:
        """The outcome as a row that Ray can carry; see of."""
        out = io.BytesIO()
        writer = MessageWriter(out)
        for batch in self.batches:
            writer.write(batch)
        writer.write(Ended(self.problem))
        return {
            "first": self.first,
            "revision": self.revision,
            "folder": self.staged.folder if self.staged else "",
            "fragments": json.dumps(self.staged.fragments if self.staged else []),
            "messages": out.getvalue(),
            "given_up": self.given_up,
        }

    def commit(self, gallery: Gallery, progress: Progress, *, strict: bool = False) -> None:
        """Write it to a gallery, and count its images.

        Raises:
            ExtractionError: no block can be worked on.
            SourceError: under strict, a bad image; nothing is written.
            GalleryError: the gallery cannot be written to.
        """
        if self.problem:
            raise ExtractionError(self.problem)
        for batch in self.batches if strict else ():
            require_good(batch)
        if self.staged is not None:
            progress.added += gallery.add_staged(self.staged, self.revision)
        progress.write(gallery, self.batches)

    @classmethod
    def of(cls, row: Mapping[str, Any], dimensions: int) -> "Outcome":
        """The outcome of a row.

        Args:
            dimensions: of the model.
        """
        messages = list(read_messages(io.BytesIO(row["messages"]), dimensions))
        folder, fragments = str(row["folder"]), json.loads(row["fragments"])
        return cls(
            int(row["first"]),
            int(row["revision"]),
            Staged(folder, fragments) if folder else None,
            [one for one in messages if isinstance(one, Batch)],
            "".join(one.problem for one in messages if isinstance(one, Ended)),
            bool(row["given_up"]),
        )
