"""Options of `partlens index add` for videos and live streams."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click

from partlens.common.bucket_address import in_bucket
from partlens.common.metadata import Metadata, MetadataError, require_metadata
from partlens.common.terminal import say
from partlens.indexer.arguments import Moment, Seconds
from partlens.indexer.errors import SourceError
from partlens.indexer.video.address import SCHEME, read_address
from partlens.indexer.video.file import SUFFIXES, Video
from partlens.indexer.video.live import LiveStream
from partlens.indexer.video.sidecar import read_detections

_FILE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = (
    click.option(
        "--every", type=Seconds(), help="Time between whole frames: 1s (the default), 500ms, 2m."
    ),
    click.option(
        "--boxes",
        type=_FILE,
        help="Video files: JSON Lines with the boxes to crop, instead of whole frames.",
    ),
    click.option("--camera", default="", help="Name of the camera; required for a stream."),
    click.option(
        "--started-at", type=Moment(), help="Video files: start time (ISO 8601 with a time zone)."
    ),
    click.option(
        "--for", "seconds", type=Seconds(), help="Streams: stop after this time, such as 10m."
    ),
    click.option(
        "--tries",
        type=click.IntRange(1),
        help="Streams: give up after this many failed connections in a row; by default only if"
        " the first one fails.",
    ),
    click.option(
        "--password-file",
        type=_FILE,
        help="Streams: file with the password of the user in the address.",
    ),
)


@dataclass(frozen=True)
class VideoOptions:
    """Options given for a video file or a live stream."""

    every: float | None
    boxes: Path | None
    camera: str
    started_at: datetime | None
    seconds: float | None
    tries: int | None
    password_file: Path | None

    def read(self, source: str, batch_size: int) -> Video | LiveStream | None:
        """The video or stream at a path or address; None if it is neither.

        Raises:
            click.UsageError: an option is missing or does not apply.
            SourceError: it cannot be read, or no image can have this camera or time.
        """
        if "://" in source and not in_bucket(source):
            return self._stream(source, batch_size)
        if self.seconds or self.tries or self.password_file:
            raise click.UsageError(
                f"--for, --tries and --password-file are only for streams ({SCHEME}...)"
            )
        if Path(source).suffix.lower() in SUFFIXES:
            return self._file(Path(source))
        if self.every or self.boxes or self.camera or self.started_at:
            raise click.UsageError(
                "--every, --boxes, --camera and --started-at are only for videos"
            )
        return None

    def _file(self, path: Path) -> Video:
        if self.every and self.boxes:
            raise click.UsageError("give --every for whole frames or --boxes for crops, not both")
        try:
            require_metadata(Metadata(self.camera, captured_at=self.started_at))
        except MetadataError as error:
            raise SourceError(str(error)) from error
        detections = read_detections(self.boxes) if self.boxes else None
        return Video(path, self.every or 1.0, detections, self.camera, self.started_at)

    def _stream(self, source: str, batch_size: int) -> LiveStream:
        if not source.lower().startswith(SCHEME):  # not quoted: it may hold a password
            raise click.UsageError(
                f"the address of a stream begins with {SCHEME}; for a local file, give the path"
            )
        if self.boxes:
            raise click.UsageError(
                "--boxes is only for video files: the boxes of a live stream are not known in"
                " advance; have your detector send them as described in docs/ingest.md"
            )
        if self.started_at:
            raise click.UsageError("--started-at is only for video files; a live stream starts now")
        if not self.camera:
            raise click.UsageError("a stream needs --camera; image ids begin with its name")
        return LiveStream(
            read_address(source, _password(self.password_file)),
            self.camera,
            self.every or 1.0,
            batch_size=batch_size,
            tries=self.tries,
            seconds=self.seconds,
            tell=lambda text: say(text, err=True),
        )


def video_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command receives them together as `video`."""

    @wraps(command)
    def gathered(
        every: float | None,
        boxes: Path | None,
        camera: str,
        started_at: datetime | None,
        seconds: float | None,
        tries: int | None,
        password_file: Path | None,
        **given: Any,
    ) -> Any:
        video = VideoOptions(every, boxes, camera, started_at, seconds, tries, password_file)
        return command(video=video, **given)

    for option in reversed(_OPTIONS):
        option(gathered)
    return gathered


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on SIGINT or SIGTERM; a second signal has its usual effect."""
    before = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for which, handler in before.items():
            signal.signal(which, handler)

    def handle(*_: object) -> None:
        restore()
        stop()

    for which in before:
        signal.signal(which, handle)
    try:
        yield
    finally:
        restore()


def _password(file: Path | None) -> str:
    try:
        return file.read_text(encoding="utf-8").strip() if file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"password file {file} cannot be read: {error}") from error
