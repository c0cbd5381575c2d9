"""Short videos with known frames."""

from pathlib import Path
from typing import Any

import av
import numpy as np

RATE, SECONDS, WIDTH, HEIGHT = 10, 3, 96, 64


def grey(number: int) -> int:
    """The grey of frame `number`."""
    return 20 + 7 * number


def write(
    path: Path,
    frames: int = RATE * SECONDS,
    times: list[int] | None = None,
    matrix: list[int] | None = None,
    codec: str = "mpeg4",
) -> Path:
    """Write frames of one grey each, with a white square of 16 pixels at (32, 16)."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        if matrix is not None:
            stream.set_display_matrix(matrix)
        for number in range(frames):
            image = np.full((HEIGHT, WIDTH, 3), grey(number), np.uint8)
            image[16:32, 32:48] = 255
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times is not None:
                frame.pts = times[number]
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path
