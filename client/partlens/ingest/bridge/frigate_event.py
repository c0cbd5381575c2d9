"""Messages about tracked objects on Frigate's MQTT topic frigate/events.

See https://docs.frigate.video/integrations/mqtt.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from partlens.ingest.errors import EntryError

MOST_BYTES = 2**20
"""Of a message. Frigate's have a few kilobytes."""
_Pixel = Annotated[float, Field(ge=-1e6, le=1e6)]
Box = tuple[_Pixel, _Pixel, _Pixel, _Pixel]
"""(left, top, right, bottom) in pixels of the frame that Frigate detects in."""
_Moment = Annotated[float, Field(ge=0, le=253_402_300_799, allow_inf_nan=False)]
_Name = Annotated[str, Field(min_length=1, max_length=200)]


def _first(value: Any) -> Any:
    # Some versions send [name, score].
    return value[0] if isinstance(value, list) and value else value


class _Loose(BaseModel):
    """Ignores unknown keys, since each version of Frigate adds some."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Snapshot(_Loose):
    """The best frame of an object so far."""

    frame_time: _Moment
    box: Box

    @property
    def taken_at(self) -> datetime:
        """When the frame was taken."""
        return datetime.fromtimestamp(self.frame_time, UTC)


class TrackedObject(_Loose):
    """A tracked object at one moment: `after` of a message."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    camera: _Name
    label: _Name
    sub_label: Annotated[_Name | None, BeforeValidator(_first)] = None
    snapshot: Snapshot | None = None
    top_score: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    false_positive: bool = False
    has_snapshot: bool = False
    entered_zones: Annotated[tuple[_Name, ...], Field(max_length=200)] = ()

    @property
    def best(self) -> Snapshot:
        """The time and place of its best frame.

        Raises:
            EntryError: the message does not give them.
        """
        if self.snapshot is None:
            raise EntryError(
                f"of object {self.id} does not give its place in the snapshot; this needs Frigate"
                " 0.14 or later"
            )
        return self.snapshot

    @property
    def attributes(self) -> dict[str, str]:
        """Attributes to filter by: label, score, the last zone, and each zone by its name."""
        texts = {"label": self.label, "score": f"{self.top_score:.3f}"}
        if self.sub_label:
            texts["sub_label"] = self.sub_label
        if self.entered_zones:
            texts["zone"] = self.entered_zones[-1]
        return texts | {f"zone:{zone}": "yes" for zone in self.entered_zones}


class FrigateEvent(_Loose):
    """One message."""

    type: Literal["new", "update", "end"]
    after: TrackedObject


def read(payload: bytes) -> FrigateEvent:
    """Parse a message's payload.

    Raises:
        EntryError: the payload is not a valid event.
    """
    if len(payload) > MOST_BYTES:
        raise EntryError(f"has more than {MOST_BYTES} bytes, and is not read")
    try:
        return FrigateEvent.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "all of it"
        raise EntryError(f"is not an event of Frigate: {place}: {first['msg']}") from error
