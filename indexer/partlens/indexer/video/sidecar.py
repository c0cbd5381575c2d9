"""What a detector found in a video: a sidecar file of JSON Lines."""

import math
from dataclasses import dataclass
from pathlib import Path

from partlens.common import strict_json
from partlens.common.files import open_regular
from partlens.common.metadata import Metadata, MetadataError, require_metadata
from partlens.indexer.errors import SourceError
from partlens.indexer.sources.cells import cell_text


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
        time, box = float(plain.pop("time")), [float(number) for number in plain.pop("box")]
        states_track, track = "track" in plain, cell_text(plain.pop("track", None))
        texts = {key: cell_text(value) for key, value in plain.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
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
