"""Pictures from video files and live streams."""

from partlens.indexer.video.file import SUFFIXES, Video
from partlens.indexer.video.frames import FrameImage
from partlens.indexer.video.live import LiveStream
from partlens.indexer.video.sidecar import Detection, read_detections

__all__ = [
    "SUFFIXES",
    "Detection",
    "FrameImage",
    "LiveStream",
    "Video",
    "read_detections",
]
