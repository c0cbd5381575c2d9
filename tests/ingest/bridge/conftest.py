"""A Frigate to fetch snapshots of, and messages as its documentation has them."""

import io
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosquitto import Mosquitto, running_mosquitto
from PIL import Image

BOX = (40, 30, 80, 110)
"""Of the person in every frame: left, top, right, bottom."""


def frame(number: int) -> bytes:
    """A whole frame; the box alone shows the number's colour."""
    pixels = np.full((120, 160, 3), 255, np.uint8)
    pixels[BOX[1] : BOX[3], BOX[0] : BOX[2]] = (number * 10 % 256, 80, 160)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return written.getvalue()


def message(number: int, kind: str = "end", **changed: Any) -> dict[str, Any]:
    """As docs.frigate.video/integrations/mqtt shows it, of another object each number."""
    at = 1607123955.475377 + number
    after = {
        "id": f"{at:.6f}-mxklsc",
        "camera": "front_door",
        "frame_time": at + 7,
        "snapshot": {
            "frame_time": at + 5,
            "box": list(BOX),
            "area": 12728,
            "region": [260, 446, 660, 846],
            "score": 0.77546,
            "attributes": [],
        },
        "label": "person",
        "sub_label": ["John Smith", 0.79],
        "top_score": 0.958984375,
        "false_positive": False,
        "start_time": at,
        "end_time": at + 9 if kind == "end" else None,
        "score": 0.87890625,
        "box": [0, 0, 10, 10],
        "area": 40096,
        "ratio": 1.251397,
        "region": [218, 440, 693, 915],
        "current_zones": ["yard"],
        "entered_zones": ["driveway", "yard"],
        "thumbnail": None,
        "has_snapshot": True,
        "has_clip": False,
        "stationary": False,
        "motionless_count": 0,
        "position_changes": 2,
        "attributes": {"face": 0.64},
    }
    return {"type": kind, "before": {**after, "has_snapshot": False}, "after": {**after, **changed}}


class Frigate:
    """Its HTTP API, as far as a bridge asks it.

    Attributes:
        answers: path -> status and body; what is not there is 404.
        asked: paths with their parameters, in order.
        token: that must be sent; "" for none.
        slow: paths whose answers come byte by byte.
    """

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.token = ""
        self.config(160, 120)
        self.answers["/api/version"] = (200, b"0.16.1")
        self.slow: set[str] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                status, body = outer.answers.get(self.path.partition("?")[0], (404, b"{}"))
                if outer.token and self.headers["authorization"] != f"Bearer {outer.token}":
                    status, body = 401, b""
                self.send_response(status)
                if status == 302:
                    self.send_header("location", "/elsewhere")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                try:
                    if self.path.partition("?")[0] in outer.slow:
                        for byte in body:
                            self.wfile.write(bytes([byte]))
                            time.sleep(0.1)
                    self.wfile.write(body)
                except OSError:
                    pass  # nobody waits any more

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def config(self, width: int, height: int, *, crop: bool = False) -> None:
        """What /api/config says of the camera."""
        camera = {"detect": {"width": width, "height": height}, "snapshots": {"crop": crop}}
        body = json.dumps({"cameras": {"front_door": camera}}).encode()
        self.answers["/api/config"] = (200, body)

    def has(self, told: dict[str, Any], name: str, body: bytes, status: int = 200) -> None:
        """Gives an answer for the object of a message."""
        self.answers[f"/api/events/{told['after']['id']}/{name}"] = (status, body)

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@pytest.fixture
def frigate() -> Iterator[Frigate]:
    made = Frigate()
    yield made
    made.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with running_mosquitto(tmp_path / "mosquitto") as made:
        yield made


def encoded(told: dict[str, Any]) -> bytes:
    """A message's payload."""
    return json.dumps(told).encode()
