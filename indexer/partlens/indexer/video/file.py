"""Pictures from a video file: whole frames at intervals, or boxes that a detector found."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partlens.common.files import require_regular
from partlens.common.metadata import Metadata
from partlens.common.pictures import DEFAULT_LIMITS, ImageLimits
from partlens.indexer.errors import SourceError
from partlens.indexer.places import file_uri, id_below
from partlens.indexer.sources import MissingImage, SourceImage
from partlens.indexer.stated import Stated
from partlens.indexer.video.frames import EARLY, FrameImage, Pace, opened, upright
from partlens.indexer.video.sidecar import Detection

SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".mpeg"})
_LATE = 1.0
"""Seconds after the end at which a box is still one of the last frame."""


@dataclass(frozen=True)
class Video:
    """The pictures of a video file, in order of time; reading it again gives the same.

    Needs the extra `video`.

    Attributes:
        path: of the file.
        every: seconds between whole frames, where there are no detections.
        detections: of a sidecar file, in order of time; None for whole frames.
        camera: that took it.
        started_at: when its first frame was taken; None where that is not known.
        limits: of one frame.
    """

    path: Path
    every: float = 1.0
    detections: Sequence[Detection] | None = None
    camera: str = ""
    started_at: datetime | None = None
    limits: ImageLimits = DEFAULT_LIMITS

    def __len__(self) -> int:
        """Detections, or about how many frames the file's duration makes."""
        if self.detections is not None:
            return len(self.detections)
        with self._opened() as (container, stream):
            seconds = _seconds(container, stream)
            return max(1, math.ceil(seconds / self.every)) if seconds else 0

    def __iter__(self) -> Iterator[SourceImage]:
        """Decodes as it goes; where the file is damaged a MissingImage comes last.

        Raises:
            SourceError: it is no video, or has no picture at these times.
        """
        shown = False
        with self._opened() as (container, stream):
            try:
                frames, seconds = self._frames(container, stream), _seconds(container, stream)
                for picture in self._pictures(frames, seconds):
                    shown = True
                    yield picture
            except _DamageError as damage:
                shown = True
                yield self._missing(f"t={damage.at:.3f}", f"the video is damaged here: {damage}")
        if not shown:
            raise SourceError(f"{self.path} shows nothing at the times that were asked for")

    def _opened(self) -> Any:
        try:
            require_regular(self.path)
        except OSError as error:
            raise SourceError(f"{self.path} cannot be read as a video: {error.strerror}") from error
        # Files and nothing else: what a playlist names would be fetched.
        only_files = {"protocol_whitelist": "file"}
        return opened(f"file:{self.path}", str(self.path), self.limits, only_files)

    def _frames(self, container: Any, stream: Any) -> Iterator[tuple[float, Any]]:
        """(seconds since the first, frame)."""
        from av.error import FFmpegError

        stream.thread_type = "AUTO"
        first, at = None, 0.0
        try:
            for frame in container.decode(stream):
                if frame.time is None:
                    continue
                first = frame.time if first is None else first
                at = float(frame.time - first)
                yield at, frame
        except FFmpegError as error:
            raise _DamageError(at, str(error)) from error

    def _pictures(
        self, frames: Iterator[tuple[float, Any]], seconds: float
    ) -> Iterator[SourceImage]:
        if self.detections is None:
            yield from self._whole(frames)
        else:
            yield from self._boxes(frames, seconds, self.detections)

    def _whole(self, frames: Iterator[tuple[float, Any]]) -> Iterator[SourceImage]:
        pace = Pace(self.every)
        for at, frame in frames:
            if pace.is_due(at):
                yield self._picture(upright(frame), at, f"t={at:.3f}", None)

    def _boxes(
        self, frames: Iterator[tuple[float, Any]], seconds: float, detections: Sequence[Detection]
    ) -> Iterator[SourceImage]:
        waiting, end = iter(detections), seconds
        one, shown = next(waiting, None), next(frames, None)
        while one is not None and shown is not None:
            following, end = next(frames, None), max(seconds, shown[0])
            image, until = None, end + _LATE if following is None else following[0] - EARLY
            while one is not None and one.time < until:
                image = upright(shown[1]) if image is None else image
                yield self._cropped(image, one)
                one = next(waiting, None)
            shown = following
        while one is not None:
            reason = f"the video ends after {end:.3f} s; write times in seconds since it began"
            yield self._missing(_part(one), reason)
            one = next(waiting, None)

    def _cropped(self, image: NDArray[np.uint8], one: Detection) -> SourceImage:
        x, y, width, height = one.box
        rows, cols = image.shape[:2]
        left, top = max(0, math.floor(x)), max(0, math.floor(y))
        right, bottom = min(cols, math.ceil(x + width)), min(rows, math.ceil(y + height))
        if right <= left or bottom <= top:
            return self._missing(_part(one), f"the box lies outside the {cols}x{rows} frame")
        fragment = f"t={one.time:.3f}&xywh={left},{top},{right - left},{bottom - top}"
        part = np.ascontiguousarray(image[top:bottom, left:right])
        return self._picture(part, one.time, fragment, one)

    def _missing(self, fragment: str, reason: str) -> SourceImage:
        return MissingImage(*self._names(fragment), Metadata(), reason)

    def _picture(
        self, image: NDArray[np.uint8], at: float, fragment: str, one: Detection | None
    ) -> SourceImage:
        try:
            taken = None if self.started_at is None else self.started_at + timedelta(seconds=at)
        except OverflowError:
            return self._missing(fragment, f"no time is {at:g} s after {self.started_at}")
        said = {} if one is None else one.attributes
        known = Metadata(
            self.camera,
            "" if one is None else one.track,
            taken,
            {"time": f"{at:.3f}", **{name: text for name, text in said.items() if text}},
        )
        stated = Stated(
            camera=bool(self.camera),
            track=one is not None and one.states_track,
            captured_at=taken is not None,
            attributes={"time", *said},
        )
        return FrameImage(*self._names(fragment), known, image, stated)

    def _names(self, fragment: str) -> tuple[str, str]:
        """The id and the address of a part of the video, as in a Media Fragments URI (W3C)."""
        id = id_below(self.path.absolute().parent, self.path.name)
        return f"{id}#{fragment}", f"{file_uri(self.path)}#{fragment}"


class _DamageError(Exception):
    """The decoder cannot go on; `at` is the last frame's time."""

    def __init__(self, at: float, reason: str) -> None:
        super().__init__(reason)
        self.at = at


def _part(one: Detection) -> str:
    x, y, width, height = one.box
    return f"t={one.time:.3f}&xywh={x:g},{y:g},{width:g},{height:g}"


def _seconds(container: Any, stream: Any) -> float:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is None:
        return 0.0
    # Matroska and WebM give the time at which the last frame ends, whenever the first one begins.
    late = container.start_time or 0 if "matroska" in container.format.name else 0
    return float((container.duration - late) / 1e6)
