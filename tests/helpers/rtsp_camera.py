"""An RTSP camera: GStreamer's server, run by the Python of Debian's python3-gi.

    /usr/bin/python3 rtsp_camera.py PORT USER PASSWORD    serves rtsp://127.0.0.1:PORT/gate
    /usr/bin/python3 rtsp_camera.py --check               only loads what it needs

Each picture is of one grey, which encodes the time: see grey_at.
"""

import sys
import time
from importlib import import_module
from typing import Any

WIDTH, HEIGHT, RATE = 160, 120, 25
STEPS = 24
"""Greys; a new one every tenth of a second."""


def grey_at(seconds: float) -> int:
    """The grey of a picture taken at this time (seconds since 1970)."""
    return 10 + 10 * (int(seconds * 10) % STEPS)


class Camera:
    """Feeds pictures at the frame rate, each at its time."""

    def __init__(self, gst: Any) -> None:
        self._gst, self._next = gst, time.monotonic()

    def configure(self, factory: Any, media: Any) -> None:
        """Called by the server for the first client."""
        media.get_element().get_by_name("src").connect("need-data", self.feed)

    def feed(self, source: Any, length: int) -> None:
        """Called by the server when it can accept a picture."""
        self._next = max(self._next + 1 / RATE, time.monotonic() - 1 / RATE)
        time.sleep(max(0.0, self._next - time.monotonic()))
        pixels = bytes([grey_at(time.time())]) * (WIDTH * HEIGHT)
        source.emit("push-buffer", self._gst.Buffer.new_wrapped(pixels))


def load() -> tuple[Any, Any, Any]:
    """GStreamer, its RTSP server and the main loop; raises if something is missing."""
    gi = import_module("gi")
    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    names = ("Gst", "GstRtspServer", "GLib")
    gst, server, glib = (import_module(f"gi.repository.{name}") for name in names)
    gst.init(None)
    for element in ("vp8enc", "rtpvp8pay", "appsrc", "videoconvert"):
        if gst.ElementFactory.find(element) is None:
            raise ImportError(f"GStreamer has no {element}")
    return gst, server, glib


def serve(port: str, user: str, password: str) -> None:
    """Serve until killed."""
    gst, rtsp, glib = load()
    caps = f"video/x-raw,format=GRAY8,width={WIDTH},height={HEIGHT},framerate={RATE}/1"
    factory = rtsp.RTSPMediaFactory()
    factory.set_launch(
        f"( appsrc name=src is-live=true do-timestamp=true format=time caps={caps} ! videoconvert"
        f" ! vp8enc deadline=1 keyframe-max-dist={RATE} ! rtpvp8pay name=pay0 )"
    )
    factory.connect("media-configure", Camera(gst).configure)
    role, allowed = "viewer", rtsp.RTSPPermissions()
    for permission in ("media.factory.access", "media.factory.construct"):
        allowed.add_permission_for_role(role, permission, True)
    factory.set_permissions(allowed)
    token = rtsp.RTSPToken()
    token.set_string("media.factory.role", role)
    auth = rtsp.RTSPAuth()
    auth.add_basic(rtsp.RTSPAuth.make_basic(user, password), token)
    server = rtsp.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    server.set_auth(auth)
    server.get_mount_points().add_factory("/gate", factory)
    if not server.attach(None):
        raise OSError(f"port {port} is taken")
    print("serving", flush=True)
    glib.MainLoop().run()


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        load()
    else:
        serve(*sys.argv[1:])
