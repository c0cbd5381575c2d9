"""Pictures from a video file: whole frames at intervals, or boxes that a detector found."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from partlens.explainer.errors import ImageError
from partlens.explainer.images import DEFAULT_LIMITS, ImageLimits
from partlens.indexer.errors import SourceError
from partlens.indexer.metadata import Metadata
from partlens.indexer.sources import SourceImage

SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".mpeg"})
_EARLY = 0.0005
"""Seconds that a frame may come before its time: times are written to a millisecond."""


@dataclass(frozen=True)
class FrameImage(SourceImage):
    """A picture that is part of a video.

    Attributes:
        image: RGB uint8 [rows, cols, 3], upright.
        fragment: which part of the video it is, as in a Media Fragments URI (W3C).
    """

    image: NDArray[np.uint8] = field(repr=False)
    fragment: str

    @property
    def uri(self) -> str:
        """Of the video, with the fragment."""
        return f"{super().uri}#{self.fragment}"

    def read(self, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
        """As PNG, which loses nothing."""
        out = BytesIO()
        Image.fromarray(self.image).save(out, "PNG", compress_level=1)
        return out.getvalue()


@dataclass(frozen=True)
class MissingImage(SourceImage):
    """A picture that a video should have and has not; reading it says why."""

    reason: str

    def read(self, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
        """Raises ImageError."""
        raise ImageError(self.reason)


@dataclass(frozen=True)
class Detection:
    """One line of a sidecar file: {"time": 1.5, "box": [x, y, width, height], "track": "7", ...}.

    Attributes:
        time: seconds since the video's first frame; the frame that is shown then is taken.
        box: x, y, width, height in pixels of the upright frame; what sticks out is cut off.
        track, attributes: of the object; any other key of the line is an attribute.
    """

    time: float
    box: tuple[float, float, float, float]
    track: str
    attributes: dict[str, str]


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
                for picture in self._pictures(self._frames(container, stream)):
                    shown = True
                    yield picture
            except _DamageError as damage:
                shown = True
                yield self._missing(f"t={damage.at:.3f}", f"the video is damaged here: {damage}")
        if not shown:
            raise SourceError(f"{self.path} shows nothing at the times that were asked for")

    def _opened(self) -> Any:
        return _Opened(self.path, self.limits)

    def _frames(self, container: Any, stream: Any) -> Iterator[tuple[float, Any]]:
        """(seconds since the first, frame)."""
        from av.error import FFmpegError

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

    def _pictures(self, frames: Iterator[tuple[float, Any]]) -> Iterator[SourceImage]:
        if self.detections is None:
            yield from self._whole(frames)
        else:
            yield from self._boxes(frames, self.detections)

    def _whole(self, frames: Iterator[tuple[float, Any]]) -> Iterator[SourceImage]:
        wanted = 0.0
        for at, frame in frames:
            if at + _EARLY < wanted:
                continue
            yield self._picture(_upright(frame), at, f"t={at:.3f}", "", {})
            wanted = (math.floor((at + _EARLY) / self.every) + 1) * self.every

    def _boxes(
        self, frames: Iterator[tuple[float, Any]], detections: Sequence[Detection]
    ) -> Iterator[SourceImage]:
        waiting = iter(detections)
        one, shown = next(waiting, None), next(frames, None)
        while one is not None and shown is not None:
            following = next(frames, None)
            image = None
            while one is not None and (following is None or one.time + _EARLY < following[0]):
                image = _upright(shown[1]) if image is None else image
                yield self._cropped(image, one)
                one = next(waiting, None)
            shown = following

    def _cropped(self, image: NDArray[np.uint8], one: Detection) -> SourceImage:
        x, y, width, height = one.box
        rows, cols = image.shape[:2]
        left, top = max(0, math.floor(x)), max(0, math.floor(y))
        right, bottom = min(cols, math.ceil(x + width)), min(rows, math.ceil(y + height))
        if right <= left or bottom <= top:
            where = f"t={one.time:.3f}&xywh={x:g},{y:g},{width:g},{height:g}"
            return self._missing(where, f"the box lies outside the {cols}x{rows} frame")
        fragment = f"t={one.time:.3f}&xywh={left},{top},{right - left},{bottom - top}"
        part = np.ascontiguousarray(image[top:bottom, left:right])
        return self._picture(part, one.time, fragment, one.track, one.attributes)

    def _missing(self, fragment: str, reason: str) -> SourceImage:
        return MissingImage(f"{self.path.name}#{fragment}", self.path, Metadata(), reason)

    def _picture(
        self,
        image: NDArray[np.uint8],
        at: float,
        fragment: str,
        track: str,
        attributes: dict[str, str],
    ) -> FrameImage:
        taken = None if self.started_at is None else self.started_at + timedelta(seconds=at)
        known = Metadata(self.camera, track, taken, {"time": f"{at:.3f}", **attributes})
        return FrameImage(f"{self.path.name}#{fragment}", self.path, known, image, fragment)


def read_detections(path: Path) -> list[Detection]:
    """The lines of a sidecar file (JSON Lines), in order of time.

    Raises:
        SourceError: a line that is of another form; names it.
    """
    found = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    found.append(_detection(line, f"{path.name}, line {number}"))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read as JSON Lines in UTF-8: {error}") from error
    if not found:
        raise SourceError(f"{path} holds no detection")
    return sorted(found, key=lambda one: one.time)


def _detection(line: str, place: str) -> Detection:
    try:
        plain = json.loads(line)
        time, box = float(plain.pop("time")), [float(number) for number in plain.pop("box")]
        track = str(plain.pop("track", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(
            f'{place} is not of the form {{"time": 1.5, "box": [x, y, width, height]}}: {error}'
        ) from error
    x, y, width, height = (box + [math.nan] * 4)[:4]
    sound = len(box) == 4 and math.isfinite(sum(box)) and math.isfinite(time) and time >= 0
    if not (sound and width > 0 and height > 0):
        raise SourceError(f"{place}: time must be 0 or later, and the box x, y, width, height")
    texts = {str(key): str(value) for key, value in plain.items()}
    return Detection(time, (x, y, width, height), track, texts)


class _DamageError(Exception):
    """The decoder cannot go on; `at` is the last frame's time."""

    def __init__(self, at: float, reason: str) -> None:
        super().__init__(reason)
        self.at = at


class _Opened:
    """A video file that is open, and its first stream of pictures."""

    def __init__(self, path: Path, limits: ImageLimits) -> None:
        self._path, self._limits = path, limits

    def __enter__(self) -> tuple[Any, Any]:
        try:
            import av
            from av.error import FFmpegError
        except ImportError as error:
            raise SourceError("videos need the extra: pip install 'partlens[video]'") from error
        try:
            # Files and nothing else: what a playlist names would be fetched.
            self._container = av.open(
                f"file:{self._path}",
                metadata_errors="replace",
                options={"protocol_whitelist": "file"},
            )
        except (FFmpegError, OSError, ValueError) as error:
            raise SourceError(f"{self._path} cannot be read as a video: {error}") from error
        if not self._container.streams.video:
            self._container.close()
            raise SourceError(f"{self._path} has no pictures")
        stream = self._container.streams.video[0]
        if stream.width * stream.height > self._limits.max_pixels:
            self._container.close()
            raise SourceError(
                f"{self._path} has frames of {stream.width}x{stream.height} pixels; at most"
                f" {self._limits.max_pixels} are allowed"
            )
        stream.thread_type = "AUTO"
        return self._container, stream

    def __exit__(self, *error: object) -> None:
        self._container.close()


def _seconds(container: Any, stream: Any) -> float:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return 0.0 if container.duration is None else container.duration / 1e6


def _upright(frame: Any) -> NDArray[np.uint8]:
    image: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns))
