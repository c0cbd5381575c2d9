"""Reads an MQTT topic; messages are acknowledged only once they are handled."""

import asyncio
import logging
import ssl
import threading
from dataclasses import dataclass
from typing import Any

from partlens.common.installing import pip_install
from partlens.common.redaction import redacted
from partlens.ingest.bridge.frigate_event import MOST_BYTES
from partlens.runtime.config.sections import BridgeSection
from partlens.runtime.errors import SettingsError
from partlens.runtime.secret_files import read_secret
from partlens.runtime.sparse_log import SparseLog

_log = logging.getLogger(__name__)
_WAITING, _WAITING_BYTES = 10_000, 64 * 2**20
"""Maximum number of waiting messages, and of their bytes. At QoS 1 the broker sends few ahead; at
QoS 0, all."""
_KEEP_ALIVE, _SLOWEST_RETRY = 30, 30
"""Seconds until a silent broker is pinged, and maximum seconds between attempts to reconnect."""


@dataclass(frozen=True)
class Message:
    """A message that the broker keeps until it is acknowledged."""

    payload: bytes
    number: int
    quality: int
    connection: int


class MqttMessages:
    """Subscribes at quality of service 1, with a session that outlives connections.

    If the connection, this process or the broker ends, the broker sends unacknowledged messages
    again. It sends a few messages ahead and keeps the others, up to its configured limit.

    Args:
        settings: broker, topic and client id.

    Raises:
        SettingsError: paho-mqtt is not installed, or a file is unusable.
    """

    def __init__(self, settings: BridgeSection) -> None:
        try:
            from paho.mqtt.enums import CallbackAPIVersion

            from partlens.ingest.bridge.mqtt_client import MqttClient
        except ImportError as error:
            raise SettingsError(f"the bridge needs paho-mqtt: {pip_install('bridge')}") from error
        self._settings, self._topic = settings, f"{settings.topic_prefix}/events"
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._lock, self._waiting, self._waiting_bytes = threading.Lock(), 0, 0
        self._lost = SparseLog(_log, logging.ERROR)
        self._connection = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client = MqttClient(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            clean_session=False,
            manual_ack=True,
        )
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._not_reached
        self._client.on_subscribe = self._subscribed
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._arrived
        self._client.reconnect_delay_set(1, _SLOWEST_RETRY)
        try:
            if settings.mqtt_user is not None:
                file = settings.mqtt_password_file
                password = read_secret(file, "bridge.mqtt_password_file") if file else None
                self._client.username_pw_set(settings.mqtt_user, password)
            if settings.mqtt_tls or settings.mqtt_ca or settings.mqtt_certificate:
                self._client.tls_set_context(_context(settings))
        except SettingsError:
            raise
        except (OSError, ValueError) as error:
            raise SettingsError(redacted(f"section bridge of the settings: {error}")) from error

    def start(self) -> None:
        """Connect in the background, and reconnect whenever the connection is lost."""
        self._loop = asyncio.get_running_loop()
        host, _, port = self._settings.mqtt.rpartition(":")
        self._client.connect_async(host.strip("[]"), int(port), _KEEP_ALIVE)
        self._client.loop_start()

    async def next(self) -> Message:
        """Wait for the next message."""
        message = await self._messages.get()
        with self._lock:
            self._waiting -= 1
            self._waiting_bytes -= len(message.payload)
        return message

    def done(self, message: Message) -> None:
        """Acknowledge a message; if its connection was lost, the broker sends it again."""
        if message.connection == self._connection:
            self._client.ack(message.number, message.quality)

    def close(self) -> None:
        """Disconnect; the broker keeps the session."""
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: Any, data: object, flags: Any, reason: Any, more: object) -> None:
        if reason.is_failure:
            _log.warning("%s refuses the connection: %s", self._settings.mqtt, reason)
            return
        self._connection += 1
        _log.info("connected to %s, topic %s", self._settings.mqtt, self._topic)
        client.subscribe(self._topic, qos=1)

    def _not_reached(self, client: object, data: object) -> None:
        _log.warning("no broker answers at bridge.mqtt = %s; retrying", self._settings.mqtt)

    def _subscribed(
        self, client: object, data: object, number: object, reasons: Any, more: object
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            _log.error(
                "the broker does not let %r read %s", self._settings.mqtt_user or "", self._topic
            )

    def _disconnected(
        self, client: object, data: object, flags: object, reason: Any, more: object
    ) -> None:
        if reason.is_failure:
            _log.warning("lost the connection to %s: %s", self._settings.mqtt, reason)

    def _arrived(self, client: object, data: object, message: Any) -> None:
        """Runs on paho's thread, which must not fill the loop with more than may wait."""
        if self._loop is None or self._loop.is_closed():
            return
        # One byte too many, so that the message is reported as too large.
        payload = bytes(message.payload[: MOST_BYTES + 1])
        with self._lock:
            full = self._waiting >= _WAITING
            full |= self._waiting_bytes + len(payload) > _WAITING_BYTES
            if not full:
                self._waiting += 1
                self._waiting_bytes += len(payload)
        if full:
            self._lost.write(
                "too many messages wait, and one was lost: make Frigate publish at qos 1"
            )
            return
        told = Message(payload, int(message.mid), int(message.qos), self._connection)
        self._loop.call_soon_threadsafe(self._messages.put_nowait, told)


def _context(settings: BridgeSection) -> ssl.SSLContext:
    ca = None if settings.mqtt_ca is None else str(settings.mqtt_ca)
    context = ssl.create_default_context(cafile=ca)
    if settings.mqtt_certificate is not None:
        context.load_cert_chain(settings.mqtt_certificate, settings.mqtt_key)
    return context
