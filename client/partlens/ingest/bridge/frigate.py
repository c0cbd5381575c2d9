"""Sends the cropped snapshot of each object that Frigate tracks to the ingest stream."""

import asyncio
import logging

from redis.exceptions import RedisError

from partlens.common.pictures import ImageLimits, PictureError
from partlens.ingest.bridge.crops import cropped
from partlens.ingest.bridge.frigate_api import FrigateApi, Shot
from partlens.ingest.bridge.frigate_event import FrigateEvent, TrackedObject, read
from partlens.ingest.bridge.metrics import BridgeMetrics
from partlens.ingest.bridge.mqtt import MqttMessages
from partlens.ingest.errors import EntryError, SnapshotError
from partlens.ingest.event import IngestEvent
from partlens.ingest.stream import IngestStream
from partlens.runtime.config.sections import BridgeSection
from partlens.runtime.sparse_log import SparseLog
from partlens.runtime.tasks import end

_log = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0


class FrigateBridge:
    """Handles messages one by one, and acknowledges each once it is fully handled.

    If Frigate or Redis is down or the stream is full, the bridge waits; meanwhile the broker keeps
    new messages. A snapshot that Frigate does not have, or that is not a picture, is skipped and
    counted. An image's id depends only on its message, so a repeated message adds nothing.

    Args:
        messages: messages of frigate/events.
        api: source of the snapshots.
        stream: destination of the pictures.
        settings: section bridge of the settings.
        limits: limits on a snapshot.
        metrics: counts the messages.
    """

    def __init__(
        self,
        messages: MqttMessages,
        api: FrigateApi,
        stream: IngestStream,
        settings: BridgeSection,
        limits: ImageLimits,
        metrics: BridgeMetrics,
    ) -> None:
        self._messages, self._api, self._stream = messages, api, stream
        self._settings, self._limits, self._metrics = settings, limits, metrics
        self._stopping = asyncio.Event()
        self._malformed, self._missing = SparseLog(_log), SparseLog(_log)

    def stop(self) -> None:
        """Make run return; the broker sends an unfinished message again to the next run."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until stopped."""
        self._messages.start()
        work = asyncio.create_task(self._work())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(work, stopping)
            self._messages.close()
        if not work.cancelled():
            work.result()

    async def _work(self) -> None:
        while True:
            message = await self._messages.next()
            result = await self._handle(message.payload)
            self._metrics.messages.labels(result).inc()
            self._messages.done(message)

    async def _handle(self, payload: bytes) -> str:
        """Handle a message; the result is pushed, passed, missing or malformed."""
        try:
            event = read(payload)
        except EntryError as error:
            self._malformed.write("a message %s", error)
            return "malformed"
        if not self._wanted(event):
            return "passed"
        try:
            await self._push(event)
        except EntryError as error:
            self._malformed.write("a message %s", error)
            return "malformed"
        except (SnapshotError, PictureError) as error:
            self._missing.write("object %s has no usable snapshot: %s", event.after.id, error)
            return "missing"
        return "pushed"

    def _wanted(self, event: FrigateEvent) -> bool:
        one, settings = event.after, self._settings
        return (
            one.has_snapshot
            and not one.false_positive
            and one.label in settings.chosen_labels
            and (settings.moments == "each" or event.type == "end")
        )

    async def _push(self, event: FrigateEvent) -> None:
        one, best = event.after, event.after.best
        shot = await self._snapshot(one, ended=event.type == "end")
        picture = await asyncio.to_thread(cropped, shot, best.box, self._limits)
        moment = f"/{best.frame_time:.6f}" if self._settings.moments == "each" else ""
        told = IngestEvent(
            id=f"{one.camera}/{one.id}{moment}",
            camera=one.camera,
            track=one.id,
            captured_at=best.taken_at,
            uri=shot.address,
            attributes=one.attributes,
        )
        told.require_usable()
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._stream.push(told, picture)
            except (RedisError, OSError) as error:
                _log.warning("Redis does not answer: %s", error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _snapshot(self, one: TrackedObject, *, ended: bool) -> Shot:
        """Wait for Frigate as long as it takes, and up to wait_seconds for a missing snapshot."""
        pause, waited = _FIRST_PAUSE, 0.0
        while True:
            try:
                return await self._api.snapshot(one.camera, one.id, ended=ended)
            except SnapshotError as error:
                over = waited >= self._settings.wait_seconds
                if not error.away and (over or not error.passing):
                    raise
                if error.away:
                    _log.warning("waiting: %s", error)
            await asyncio.sleep(pause)
            waited, pause = waited + pause, min(2 * pause, _LONGEST_PAUSE)
