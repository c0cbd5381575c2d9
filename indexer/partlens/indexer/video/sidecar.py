"""What a detector found in a video: a sidecar file of JSON Lines."""

import math
from dataclasses import dataclass
from pathlib import Path

from partlens.common import strict_json
from partlens.common.files import open_regular
from partlens.common.metadata import Metadata, MetadataError, require_metadata
from partlens.indexer.errors import SourceError
from partlens.indexer.sources.cells import cell_text

_KEYS = frozenset({"time", "box", "track"})
_OPTIONS = {"camera": "--camera", "captured_at": "--started-at"}
"""Keys that could be taken for what they name, though they would be attributes."""


@dataclass(frozen=True)
class Detection:
    """One line of a sidecar file: {"time": 1.5, "box": [x, y, width, height], "track": "7", ...}.

    Attributes:
        time: seconds since the video's first frame; the frame that is shown then is taken.
        box: x, y, width, height in pixels of the upright frame; what sticks out is cut off.
        track, attributes: of the object; any other key of the line is an attribute. One that is
            null or "" says that there is none.
        states_track: whether the line has a track, be it an empty one.
    """

    time: float
    box: tuple[float, float, float, float]
    track: str
    attributes: dict[str, str]
    states_track: bool = False


def read_detections(path: Path) -> list[Detection]:
    """The lines of a sidecar file (JSON Lines), in order of time.

    Raises:
        SourceError: a line that is of another form; names it.
    """
    found = []
    try:
        with open(path, encoding="utf-8-sig", opener=open_regular) as file:
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
        plain = strict_json.loads(line)
        _require_names(plain)
        time, box = _number(plain.pop("time")), [_number(one) for one in _list(plain.pop("box"))]
        states_track, track = "track" in plain, cell_text(plain.pop("track", None))
        texts = {key: cell_text(value) for key, value in plain.items()}
    except (ArithmeticError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceError(
            f'{place} is not of the form {{"time": 1.5, "box": [x, y, width, height]}}: {error}'
        ) from error
    x, y, width, height = (box + [math.nan] * 4)[:4]
    sound = len(box) == 4 and math.isfinite(sum(box)) and math.isfinite(time) and time >= 0
    if not (sound and width > 0 and height > 0):
        raise SourceError(f"{place}: time must be 0 or later, and the box x, y, width, height")
    try:
        require_metadata(Metadata(track=track, attributes=texts))
    except MetadataError as error:
        raise SourceError(f"{place}: {error}") from error
    return Detection(time, (x, y, width, height), track, texts, states_track)


def _require_names(plain: object) -> None:
    """Raise TypeError or ValueError where a key could be taken for more than an attribute."""
    if not isinstance(plain, dict):
        raise TypeError(f"it is {plain!r:.40}, not an object")
    for key in plain:
        name = key.strip().casefold()
        if name in _KEYS and key != name:
            raise ValueError(f"write the key {key!r} as {name!r}")
        if name in _OPTIONS:
            raise ValueError(f"{key!r} is the same in the whole video; give {_OPTIONS[name]}")


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r:.40} is not a number")
    return float(value) + 0.0  # not -0.0, which would be part of an id


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.40} is not a list")
    return value
