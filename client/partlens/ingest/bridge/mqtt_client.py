"""paho's MQTT client, which survives packets that it cannot parse."""

import logging
import time

from paho.mqtt import client as mqtt
from paho.mqtt.enums import MQTTErrorCode

_log = logging.getLogger(__name__)
_PAUSE = 1.0


class MqttClient(mqtt.Client):
    """Drops the connection and connects again when the broker sends a packet that is not MQTT.

    paho would let its thread die, and no message would ever arrive again.
    """

    def loop_forever(
        self, timeout: float = 1.0, retry_first_connection: bool = False
    ) -> MQTTErrorCode:
        """Run until disconnect is called."""
        while True:
            try:
                return super().loop_forever(timeout, retry_first_connection)
            except Exception as error:
                _log.warning("the broker sent what is not MQTT (%s); connecting again", error)
            time.sleep(_PAUSE)
            # Forgets the half-read packet, and closes the old connection when it opens a new one.
            self.connect_async(self.host, self.port, self.keepalive)
