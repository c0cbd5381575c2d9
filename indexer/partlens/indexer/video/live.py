"""Frames of a live stream (RTSP), by the time at which they come."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any

from partlens.common.ids import IdError, require_id
from partlens.common.metadata import Metadata, MetadataError, require_name
from partlens.common.pictures import DEFAULT_LIMITS, ImageLimits
from partlens.indexer.errors import SourceError
from partlens.indexer.stated import Stated
from partlens.indexer.video.address import StreamAddress
from partlens.indexer.video.frames import FrameImage, Pace, opened, upright

_GROUP_SECONDS = 2.0
"""How long a frame may wait for others, to share a pass through the model and a commit."""
_WAITING = 32
"""Frames that may wait to be taken; bounds memory."""
_LAST_WAIT = 1.0
"""Seconds that the thread is given to end; a stream that runs lets it in a frame's time."""
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before the next connection, after so many in a row that brought no frame."""
_MILLISECOND = timedelta(milliseconds=1)
_OPTIONS = {
    # Over UDP a lost packet damages pictures, and what comes in is not bound to the connection.
    "rtsp_transport": "tcp",
    "protocol_whitelist": "rtsp,rtp,tcp",
    "allowed_media_types": "video",
    # Else frames are held back to measure their rate, and are old when they come out.
    "fpsprobesize": "0",
}


@dataclass(frozen=True)
class _End:
    """No frame comes any more; with the reason where nobody asked for that."""

    error: BaseException | None = None


class LiveStream:
    """Frames of a live stream, in groups, until it is stopped.

    A thread reads the stream and waits for nobody, so that the time at which a frame came is
    when it was taken, give or take what the camera and the network hold back. Frames that are not
    taken in time are left out and counted. A connection that is lost is made again, after pauses
    that grow from half a second to half a minute. Needs the extra `video`.

    Args:
        address: of the stream.
        camera: its name; ids are the camera and the time, as gate/2026-05-01T10:00:00.123Z.
        every: seconds from one frame to the next.
        batch_size: frames of a group at most.
        tries: gives up after so many connections in a row that brought no frame; None to give up
            if the first does not, and else never.
        seconds: ends after them; None to go on.
        deadline: seconds that the stream may be silent.
        limits: of one frame.
        tell: is told, on the thread, why a connection was lost, and that frames are left out.

    Attributes:
        left_out: frames that were due and for which there was no room.

    Raises:
        SourceError: ids of the camera would not be allowed.
    """

    def __init__(
        self,
        address: StreamAddress,
        camera: str,
        every: float = 1.0,
        *,
        batch_size: int = 32,
        tries: int | None = None,
        seconds: float | None = None,
        deadline: float = 10.0,
        limits: ImageLimits = DEFAULT_LIMITS,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._address, self._camera, self._every = address, camera, every
        self._batch_size, self._tries, self._seconds = batch_size, tries, seconds
        self._deadline, self._limits, self._tell = deadline, limits, tell
        self._pace = Pace(every)
        self._began = 0.0
        self._newest = datetime.fromtimestamp(0, UTC)
        self._stopped = threading.Event()
        # One that may be put to by a signal's handler while it is read.
        self._waiting = SimpleQueue[FrameImage | _End]()
        self._seen = 0
        self.left_out = 0
        try:
            require_id(_id(camera, self._newest))
            require_name("camera", camera)
        except (IdError, MetadataError) as error:
            raise SourceError(f"camera {camera[:64]!r}: {error}") from error

    def stop(self) -> None:
        """End; what has come is still given out. A thread or a signal's handler may call it."""
        self._stopped.set()
        self._waiting.put(_End())

    def __iter__(self) -> Iterator[Sequence[FrameImage]]:
        """Groups of frames that came within two seconds; once only.

        Raises:
            SourceError: gave up; every frame that came was given out before.
        """
        # A daemon: it may be in the middle of a wait that nothing ends before its deadline.
        thread = threading.Thread(target=self._run, name="partlens-stream", daemon=True)
        thread.start()
        timer = threading.Timer(self._seconds or 0.0, self.stop)
        timer.daemon = True
        if self._seconds is not None:
            timer.start()
        try:
            yield from self._groups()
        finally:
            timer.cancel()
            self._stopped.set()
            thread.join(_LAST_WAIT)

    def _groups(self) -> Iterator[Sequence[FrameImage]]:
        frames, end = list[FrameImage](), math.inf
        while True:
            one = self._next(end)
            if isinstance(one, FrameImage):
                end = end if frames else time.monotonic() + _GROUP_SECONDS
                frames.append(one)
            if frames and (not isinstance(one, FrameImage) or len(frames) == self._batch_size):
                yield frames
                frames, end = [], math.inf
            if isinstance(one, _End):
                if one.error is not None:
                    raise one.error
                return

    def _next(self, end: float) -> "FrameImage | _End | None":
        """What comes next; None if nothing does before a time."""
        if end == math.inf:
            return self._waiting.get()
        try:
            return self._waiting.get(timeout=max(0.0, end - time.monotonic()))
        except Empty:
            return None

    def _run(self) -> None:
        try:
            self._connect_on()
        except BaseException as error:
            self._waiting.put(_End(error))
        else:
            self._waiting.put(_End())

    def _connect_on(self) -> None:
        failed, reason = 0, ""
        while not self._stopped.is_set():
            seen = self._seen
            try:
                self._read()
            except SourceError as lost:
                failed = 0 if self._seen > seen else failed + 1
                if failed >= self._allowed():
                    raise
                reason = str(lost)
            if self._stopped.is_set():
                return
            pause = _PAUSES[min(failed, len(_PAUSES) - 1)]
            self._tell(f"{reason}; connecting again in {pause:g} s")
            self._stopped.wait(pause)

    def _allowed(self) -> float:
        """Connections in a row that may bring no frame."""
        if self._tries is not None:
            return self._tries
        return math.inf if self._seen else 1

    def _read(self) -> None:
        """One connection: returns when the stream is stopped.

        Raises:
            SourceError: it was not made, or is lost.
        """
        shown, began = self._address.shown, time.monotonic()
        with ExitStack() as stack:
            try:
                container, stream = stack.enter_context(
                    opened(
                        self._address.url, shown, self._limits, _OPTIONS,
                        format="rtsp", timeout=self._deadline,
                    )
                )  # fmt: skip
            except SourceError:
                if time.monotonic() - began < self._deadline:
                    raise
                raise SourceError(f"{shown} did not answer in {self._deadline:g} s") from None
            self._follow(container, stream)

    def _follow(self, container: Any, stream: Any) -> None:
        from av.error import FFmpegError

        # Threads that each work on a frame of their own would hold frames back.
        stream.thread_type = "SLICE"
        shown, last = self._address.shown, time.monotonic()
        reason = "was ended by the camera"
        try:
            for packet in container.demux(stream):
                if self._stopped.is_set():
                    return
                for frame in _decoded(packet):
                    last = time.monotonic()
                    self._take(frame)
                if time.monotonic() - last > self._deadline:
                    raise SourceError(f"{shown} brought no picture for {self._deadline:g} s")
        except FFmpegError as error:
            reason = f"was lost: {error.strerror}"
        raise SourceError(f"{shown} {reason}")

    def _take(self, frame: Any) -> None:
        """Put up a frame if it is due."""
        now = time.monotonic()
        self._began = self._began if self._seen else now
        self._seen += 1
        if not self._pace.is_due(now - self._began):
            return
        if self._waiting.qsize() >= _WAITING:
            if not self.left_out:
                self._tell("frames come faster than the model takes them; some are left out")
            self.left_out += 1
            return
        at = datetime.now(UTC)
        at -= timedelta(microseconds=at.microsecond % 1000)
        # The clock may have been set back, and no two frames share an id.
        self._newest = at = max(at, self._newest + _MILLISECOND)
        where = f"{self._address.shown}#t=clock:{_text(at)}"
        known = Metadata(self._camera, "", at)
        stated = Stated(id=True, camera=True, captured_at=True)
        self._waiting.put(FrameImage(_id(self._camera, at), where, known, upright(frame), stated))


def _decoded(packet: Any) -> Sequence[Any]:
    """Whole frames of a packet; none where it is damaged or builds on one that is missing."""
    from av.error import FFmpegError

    try:
        return [frame for frame in packet.decode() if not frame.is_corrupt]
    except FFmpegError:
        return []


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def _id(camera: str, at: datetime) -> str:
    return f"{camera}/{_text(at)}"
