"""One commit for the uploads of several calls that are ready at the same time."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal

from partlens.indexer.gallery import NewImage
from partlens.server.access.confined_gallery import Added
from partlens.server.caller.confinement import Confinement
from partlens.server.engine.engine import Engine
from partlens.server.errors import CallerGoneError

Result = tuple[Added, int]
"""What became of the images of a call, and the gallery's version then."""


@dataclass(eq=False)
class Upload:
    """Images that a call adds to a gallery.

    Attributes:
        images: ready to be stored; an id may be given twice.
        within: what the caller may see and change.
        added: set once a commit has ended.
        state: "taken" while a commit has it, and afterwards.
        gone: whether its call has left.
    """

    images: Sequence[NewImage]
    within: Confinement
    added: "Future[Result]" = field(default_factory=Future)
    state: Literal["new", "waiting", "taken"] = "new"
    gone: bool = False


class SharedCommits:
    """Lets uploads that wait for the writing thread join the commit of the one that is first.

    A commit takes about 25 ms of processor time however few images it has. Each call still takes
    its turn on the writing thread, and mostly finds there that its images are on disk. If a commit
    of several calls fails, each call tries its own.

    Args:
        most: images of a commit that several calls share.
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._waiting: list[Upload] = []

    def join(self, upload: Upload) -> None:
        """Let any commit take an upload from now on, as its call is allowed and recorded."""
        with self._lock:
            upload.state = "waiting"
            self._waiting.append(upload)

    def leave(self, upload: Upload) -> bool:
        """Whether no commit has taken an upload; then none will. Otherwise `added` is set soon."""
        with self._lock:
            upload.gone = True
            if upload.state == "waiting":
                self._waiting.remove(upload)
            return upload.state != "taken"

    def commit(self, own: Upload, engine: Engine) -> Result:
        """Commit an upload with those that wait, unless that has happened; on the writing thread.

        Raises:
            CallerGoneError: the call has left.
            GalleryError: see Gallery.add.
        """
        group = self._take(own)
        try:
            if len(group) > 1:
                try:
                    _write(group, engine)
                except BaseException:  # Lance's panics are not Exceptions
                    self._put_back(group[1:])
            if not own.added.done():
                _write([own], engine)
        except BaseException as error:
            own.added.set_exception(error)
            raise
        return own.added.result()

    def _take(self, own: Upload) -> list[Upload]:
        """An upload and others that can join it; only itself if a commit has taken it before."""
        with self._lock:
            if own.state == "taken":
                return [own]
            if own.gone:
                raise CallerGoneError("the caller cancelled before its images were committed")
            group, ids = [own], {image.id for image in own.images}
            left = self._most - len(own.images)
            for upload in self._waiting:
                new = {image.id for image in upload.images}
                # Of one id, the later call must see what the earlier one has stored.
                if upload is not own and len(upload.images) <= left and ids.isdisjoint(new):
                    group.append(upload)
                    left -= len(upload.images)
                ids |= new
            self._waiting = [upload for upload in self._waiting if upload not in group]
            for upload in group:
                upload.state = "taken"
            return group

    def _put_back(self, uploads: Sequence[Upload]) -> None:
        """Leave uploads to their own calls, unless those have left."""
        with self._lock:
            for upload in uploads:
                if upload.gone:
                    upload.added.set_exception(CallerGoneError("the caller cancelled"))
                else:
                    upload.state = "waiting"
            self._waiting[:0] = [upload for upload in uploads if not upload.gone]


def _write(group: Sequence[Upload], engine: Engine) -> None:
    if any(upload.images for upload in group):
        with engine.gallery.writing() as writer:
            added = writer.add([(upload.within, upload.images) for upload in group])
            version = engine.gallery.view.number
    else:  # refusals need no writer's lock, which another process may hold
        added, version = [Added(frozenset(), {}) for _ in group], engine.gallery.view.number
    for upload, one in zip(group, added, strict=True):
        upload.added.set_result((one, version))
