"""One run of `partlens open`, from its arguments to its end."""

import asyncio
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from partlens.common.terminal import complain, say
from partlens.common.text import visible
from partlens.explainer.images import SUFFIXES
from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import DamagedError, ModelMismatchError, NewerFormatError
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.home.folder import FolderHome
from partlens.indexer.gallery.threads import one_blas_thread
from partlens.indexer.indexing import Progress
from partlens.runtime import logs
from partlens.server.errors import OpenError
from partlens.server.freed_memory import share_arenas
from partlens.server.limits.connections import raise_open_files
from partlens.server.observe.indexing import IndexingReport
from partlens.server.observe.logs import with_request_id
from partlens.server.opening import browser, choosing, serving
from partlens.server.opening.indexing import SourceIndexing
from partlens.server.opening.instance import Instance
from partlens.server.opening.places import Cache, private_folder, remember_model, require_outside

_NAMED = 10
"""Skipped images that are listed."""


@dataclass(frozen=True)
class Session:
    """What `partlens open` was asked for.

    Attributes:
        photos: folder or manifest.
        model: model folder, Hugging Face folder or hub id; None to choose.
        port: of the page; 0 for the last one, or a free one.
        gallery: folder; None for one in the cache.
        browse: open a browser.
    """

    photos: Path
    model: str | None
    port: int
    gallery: Path | None
    browse: bool

    def run(self) -> None:
        """Index and serve until a signal.

        Raises:
            AlreadyOpenError: another process has the source open.
            ProgramError, ExplainerError, IndexerError, OSError: it cannot be opened.
        """
        photos = require_pictures(self.photos)
        cache = Cache.of_user()
        require_outside(photos, self.gallery or cache.root)
        memory = cache.memory(photos)
        if self.gallery is not None:
            memory = self.gallery.with_name(f"{self.gallery.name}.open.model")
        if self.model is None:
            chosen = choosing.usual_model(photos, memory, cache, say)
        else:
            chosen = choosing.given_model(self.model, cache, say)
        gallery = self.gallery or cache.gallery(photos, chosen.spec.digest)
        private_folder(gallery.parent)
        with Instance(gallery, photos) as instance:
            try:
                _prepare(gallery, chosen.spec)
                remember_model(memory, chosen.folder)
                self._serve(photos, chosen, gallery, instance)
            except (DamagedError, NewerFormatError) as error:
                raise OpenError(f"{error}. To start over, remove {gallery}") from error

    def _serve(
        self, photos: Path, chosen: choosing.Chosen, gallery: Path, instance: Instance
    ) -> None:
        port = self.port or serving.port_or_free(instance.last_port)
        originals = photos if photos.is_dir() else photos.parent
        settings = serving.settings_for(originals, port)
        logs.configure(settings.observe, with_request_id)

        def bound(page: str, server: str) -> None:
            instance.announce(page)
            say(f"Page: {page}")
            say(f"Server for other commands: --server {server}. Ctrl-C stops.")
            if self.browse:
                threading.Thread(target=browser.show, args=(page,), daemon=True).start()

        raise_open_files()
        share_arenas()
        report = IndexingReport()
        indexing = SourceIndexing(photos, chosen.folder, gallery, chosen.spec, report, _tell)
        try:
            with one_blas_thread():
                asyncio.run(
                    serving.serve(chosen.folder, gallery, settings, indexing, report, bound)
                )
        finally:
            indexing.stop()


def require_pictures(photos: Path) -> Path:
    """The real path of a source that may hold pictures.

    Raises:
        OpenError: it is missing, cannot be read, or is a folder without pictures.
    """
    if not photos.exists():
        raise OpenError(f"{photos} does not exist; give a folder of pictures")
    real = photos.resolve()
    if not real.is_dir():
        if real.suffix.lower() in (".csv", ".parquet"):
            return real
        raise OpenError(f"{photos} is a file; give the folder that holds it, or a manifest (.csv)")
    try:
        os.scandir(real).close()
    except OSError as error:
        raise OpenError(f"{photos} cannot be read: {error.strerror}") from error
    names = (name for _, _, names in os.walk(real) for name in names)
    if not any(os.path.splitext(name)[1].lower() in SUFFIXES for name in names):
        endings = ", ".join(sorted(SUFFIXES))
        raise OpenError(
            f"{photos} contains no pictures ({endings}): copy some there, or give another folder"
        )
    return real


def _prepare(gallery: Path, spec: ModelSpec) -> None:
    """Create a gallery if it is missing.

    Raises:
        OpenError: something else is there.
        ModelMismatchError: it has another model.
    """
    if not gallery.exists():
        Gallery.create(gallery, spec).close()
    elif not (gallery / "gallery.json").is_file():
        raise OpenError(
            f"{gallery} is not a gallery, as it has no gallery.json: give --gallery a folder that"
            " does not exist, or a gallery"
        )
    elif (digest := GallerySpec.read(FolderHome(gallery)).spec.digest) != spec.digest:
        raise ModelMismatchError(digest, spec.digest)


def _tell(progress: Progress | None, ignored: str, problem: str) -> None:
    """Say how indexing ended."""
    if problem:
        complain(f"indexing stopped: {problem}")
        return
    if progress is None:
        return
    for bad in progress.bad[:_NAMED]:
        complain(f"skipped {visible(bad.id)}: {visible(bad.reason)}")
    if (more := len(progress.bad) - _NAMED) > 0:
        complain(f"skipped {more} more")
    if ignored:
        say(f"Ignored: {ignored}")
    say(
        f"Indexed: {progress.added} new pictures, {progress.replaced + progress.updated} changed,"
        f" {progress.unchanged} unchanged, {len(progress.bad)} skipped."
    )
