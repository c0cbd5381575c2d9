"""Messages of an MQTT topic, acknowledged only when they are dealt with."""

import asyncio
import logging
import ssl
from dataclasses import dataclass
from typing import Any

from partlens.common.redaction import redacted
from partlens.runtime.config.sections import BridgeSection
from partlens.runtime.errors import SettingsError
from partlens.runtime.secret_files import read_secret

_log = logging.getLogger(__name__)
_WAITING = 10_000
"""Messages that wait here at most. Of quality 1 the broker sends few ahead; of quality 0, all."""
_KEEP_ALIVE, _SLOWEST_RETRY = 30, 30
"""Seconds: after which a silent broker is looked at, and at most between two tries to reach it."""


@dataclass(frozen=True)
class Message:
    """A message that the broker keeps until it is acknowledged."""

    payload: bytes
    number: int
    quality: int
    connection: int


class MqttMessages:
    """Subscribes with a session that outlives connections, at quality of service 1.

    What is not acknowledged when the connection, this process or the broker ends is sent again. The
    broker sends a few messages ahead and keeps the others, as many as it is set up to.

    Args:
        settings: broker, topic and client id.

    Raises:
        SettingsError: paho-mqtt is not installed, or a file cannot be used.
    """

    def __init__(self, settings: BridgeSection) -> None:
        try:
            from paho.mqtt import client as mqtt
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise SettingsError(
                "the bridge needs the extra: pip install 'partlens[bridge]'"
            ) from error
        self._settings, self._topic = settings, f"{settings.topic_prefix}/events"
        self._messages: asyncio.Queue[Message] = asyncio.Queue(_WAITING)
        self._connection = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client = mqtt.Client(
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
        """Connects in the background, and again whenever the connection is lost."""
        self._loop = asyncio.get_running_loop()
        host, _, port = self._settings.mqtt.rpartition(":")
        self._client.connect_async(host.strip("[]"), int(port), _KEEP_ALIVE)
        self._client.loop_start()

    async def next(self) -> Message:
        """The next message, waiting for it."""
        return await self._messages.get()

    def done(self, message: Message) -> None:
        """Acknowledges a message; what came over a connection that was lost is sent again."""
        if message.connection == self._connection:
            self._client.ack(message.number, message.quality)

    def close(self) -> None:
        """Disconnects; the broker keeps the session."""
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: Any, data: object, flags: Any, reason: Any, more: object) -> None:
        if reason.is_failure:
            _log.warning("%s refuses us: %s", self._settings.mqtt, reason)
            return
        self._connection += 1
        _log.info("connected to %s, topic %s", self._settings.mqtt, self._topic)
        client.subscribe(self._topic, qos=1)

    def _not_reached(self, client: object, data: object) -> None:
        _log.warning("no broker answers at bridge.mqtt = %s; trying again", self._settings.mqtt)

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
            _log.warning("the connection to %s is lost: %s", self._settings.mqtt, reason)

    def _arrived(self, client: object, data: object, message: Any) -> None:
        """On paho's thread."""
        if self._loop is not None and not self._loop.is_closed():
            told = Message(
                bytes(message.payload), int(message.mid), int(message.qos), self._connection
            )
            self._loop.call_soon_threadsafe(self._put, told)

    def _put(self, message: Message) -> None:
        try:
            self._messages.put_nowait(message)
        except asyncio.QueueFull:
            _log.error("%d messages wait; one is lost: have Frigate publish at qos 1", _WAITING)


def _context(settings: BridgeSection) -> ssl.SSLContext:
    ca = None if settings.mqtt_ca is None else str(settings.mqtt_ca)
    context = ssl.create_default_context(cafile=ca)
    if settings.mqtt_certificate is not None:
        context.load_cert_chain(settings.mqtt_certificate, settings.mqtt_key)
    return context
