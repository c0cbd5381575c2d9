"""Indexes a source while the server runs."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import IndexerError
from partlens.indexer.extracting import ExtractionProcess, Listed
from partlens.indexer.gallery import Gallery
from partlens.indexer.indexing import Progress, index_batches
from partlens.server.observe.indexing import IndexingProgress, IndexingReport

_log = logging.getLogger(__name__)
_BATCH = 16
"""Images per pass and commit: few, so that the first can be searched soon."""

Ended = Callable[[Progress | None, str, str], None]
"""Called with what was indexed, what of the source was ignored, and why it ended early."""


class SourceIndexing:
    """Indexes a source: a child process extracts, and a thread of this process commits.

    So this process is the only writer of the gallery, and uploads and deletions go on meanwhile.

    Args:
        source: folder or manifest.
        model, gallery: folders.
        spec: of the model.
        report: gets the progress.
        ended: called once, from the thread, unless it is stopped.
    """

    def __init__(
        self,
        source: Path,
        model: Path,
        gallery: Path,
        spec: ModelSpec,
        report: IndexingReport,
        ended: Ended,
    ) -> None:
        self._report, self._ended = report, ended
        self._thread: threading.Thread | None = None
        self._stopped = False
        report.now = self._now = IndexingProgress()
        self._child = ExtractionProcess(source, model, gallery, spec, _BATCH)

    def begin(self, gallery: Gallery) -> None:
        """Commit what the child extracts, on a thread."""
        if self._stopped:
            return
        self._thread = threading.Thread(
            target=self._run, args=(gallery,), name="partlens-index", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the child, and wait for a commit that has begun."""
        self._stopped = True
        self._child.kill()
        if self._thread is not None:
            self._thread.join()
        self._child.close()

    def _run(self, gallery: Gallery) -> None:
        progress, listed, problem = None, Listed(0, ""), ""
        try:
            with self._child as child:
                listed = child.listed()
                self._tell(IndexingProgress(total=listed.total))
                progress = index_batches(gallery, child.batches(), listed.total, report=self._count)
        except IndexerError as error:
            problem = str(error)
        except Exception as error:
            _log.exception("indexing failed")
            problem = f"{type(error).__name__}: {error}"
        if not self._stopped:
            self._tell(replace(self._now, finished=True, problem=problem))
            self._ended(progress, listed.ignored, problem)

    def _count(self, progress: Progress) -> None:
        total = max(progress.total, progress.done)
        self._tell(IndexingProgress(progress.done, total, len(progress.bad)))

    def _tell(self, now: IndexingProgress) -> None:
        self._report.now = self._now = now
