"""Settings of `partlens bridge frigate`."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from partlens.runtime.config.sections.section import Section
from partlens.runtime.config.sections.values import Duration, ServerAddress, WebAddress


class BridgeSection(Section):
    """`partlens bridge frigate`: the MQTT broker, and where to fetch snapshots."""

    mqtt: ServerAddress = "127.0.0.1:1883"
    """HOST:PORT of the MQTT broker that Frigate publishes to"""
    mqtt_user: str | None = None
    """user name at the broker, if it has users"""
    mqtt_password_file: Path | None = None
    """file that holds the user's password"""
    mqtt_tls: bool = False
    """use TLS for the broker; implied by mqtt_ca or mqtt_certificate"""
    mqtt_ca: Path | None = None
    """PEM file of the authority that must have issued the broker's certificate"""
    mqtt_certificate: Path | None = None
    """PEM file of our own certificate (mutual TLS)"""
    mqtt_key: Path | None = None
    """PEM file of its private key"""
    client_id: Annotated[str, Field(min_length=1, max_length=64)] = "partlens-bridge"
    """id under which the broker keeps messages while the bridge is down; one per bridge"""
    topic_prefix: Annotated[str, Field(pattern=r"^[^#+\x00/][^#+\x00]*$")] = "frigate"
    """Frigate's mqtt.topic_prefix"""
    frigate: WebAddress = "http://127.0.0.1:5000"
    """http:// or https:// address of Frigate's API, without /api"""
    frigate_token_file: Path | None = None
    """file that holds a token for Frigate's authenticated port"""
    frigate_ca: Path | None = None
    """PEM file of the authority for Frigate's certificate; default: the system's authorities"""
    labels: str = "person"
    """labels of the objects to send, separated by commas"""
    moments: Literal["best", "each"] = "best"
    """best: one picture per object, once it is gone; each: also every better one until then"""
    wait_seconds: Duration = 10.0
    """how long to wait for a snapshot that Frigate does not have yet"""

    @field_validator("frigate")
    @classmethod
    def _without_password(cls, frigate: str) -> str:
        if "@" in frigate:
            raise PydanticCustomError(
                "password", "must hold no user or password; use frigate_token_file"
            )
        if re.search("[?#]", frigate):
            raise PydanticCustomError(
                "password", "must end before any ? or #; use frigate_token_file for a token"
            )
        return frigate

    @model_validator(mode="after")
    def _pair(self) -> "BridgeSection":
        if (self.mqtt_certificate is None) != (self.mqtt_key is None):
            raise ValueError("give both mqtt_certificate and mqtt_key, or neither")
        return self

    @property
    def chosen_labels(self) -> frozenset[str]:
        """The labels as a set."""
        return frozenset(label.strip() for label in self.labels.split(","))
