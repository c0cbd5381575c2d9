"""Pictures of a video: which frames, which parts of them, and what they are called."""

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner
from drawn_video import HEIGHT, RATE, WIDTH, grey, write
from numpy.typing import NDArray

from partlens.common.pictures import ImageLimits
from partlens.explainer.errors import ImageError
from partlens.explainer.starter import model_folder
from partlens.indexer.cli import index
from partlens.indexer.errors import SourceError
from partlens.indexer.gallery import Gallery
from partlens.indexer.sources import SourceImage
from partlens.indexer.video import Detection, FrameImage, Video, read_detections


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("video") / "gate.mp4")


def image_of(one: SourceImage) -> NDArray[np.uint8]:
    assert isinstance(one, FrameImage)
    return one.image


def corner(one: SourceImage) -> float:
    return float(image_of(one)[:8, :8].mean())


@pytest.mark.parametrize(("every", "numbers"), [(1.0, [0, 10, 20]), (0.7, [0, 7, 14, 21, 28])])
def test_whole_frames_at_intervals(video: Path, every: float, numbers: list[int]) -> None:
    began = datetime(2026, 5, 1, 12, tzinfo=UTC)
    found = list(Video(video, every, camera="gate", started_at=began))
    assert [one.id for one in found] == [
        f"{video.parent.name}/gate.mp4#t={n / RATE:.3f}" for n in numbers
    ]
    assert len(Video(video, every)) == len(found)
    for one, number in zip(found, numbers, strict=True):
        assert image_of(one).shape == (HEIGHT, WIDTH, 3)
        assert corner(one) == pytest.approx(grey(number), abs=4)
        assert one.metadata.camera == "gate"
        assert one.metadata.captured_at is not None
        assert (one.metadata.captured_at - began).total_seconds() == pytest.approx(number / RATE)
        assert one.uri == f"{video.as_uri()}#t={number / RATE:.3f}"


def test_times_are_those_of_the_frames_not_their_count(tmp_path: Path) -> None:
    """Frames at 0, 0.1, 0.2, then none for two seconds."""
    path = write(tmp_path / "v.mkv", 6, [0, 1, 2, 22, 23, 32])
    found = list(Video(path, 1.0))
    assert [one.metadata.attributes["time"] for one in found] == ["0.000", "2.200", "3.200"]


@pytest.mark.parametrize(
    ("matrix", "shape", "square"),
    [
        # As a telephone writes it that is held upright, or the wrong way round, or upside down:
        # 16.16 fixed point, (x, y) -> (a x + c y, b x + d y) for a, b, 0, c, d, 0, ...
        ((0, 1, 0, -1, 0, 0, 0, 0), (WIDTH, HEIGHT), (32, HEIGHT - 16 - 16)),
        ((0, -1, 0, 1, 0, 0, 0, 0), (WIDTH, HEIGHT), (WIDTH - 32 - 16, 16)),
        ((-1, 0, 0, 0, -1, 0, 0, 0), (HEIGHT, WIDTH), (HEIGHT - 16 - 16, WIDTH - 32 - 16)),
    ],
)
def test_a_video_that_was_taken_turned_is_upright(
    tmp_path: Path, matrix: tuple[int, ...], shape: tuple[int, int], square: tuple[int, int]
) -> None:
    path = write(tmp_path / "phone.mp4", 3, matrix=[*(one << 16 for one in matrix), 1 << 30])
    image = image_of(next(iter(Video(path))))
    assert image.shape == (*shape, 3)
    row, col = square
    bright = image.mean(axis=2) > 128
    assert bright[row + 1 : row + 15, col + 1 : col + 15].all()
    bright[row - 2 : row + 18, col - 2 : col + 18] = False
    assert not bright.any()
    (cut,) = Video(path, detections=[Detection(0.0, (col, row, 16, 16), "", {})])
    assert image_of(cut).mean() > 235


def test_boxes_are_cut_out_of_the_frame_that_is_shown(video: Path, tmp_path: Path) -> None:
    lines = [
        {"time": 2.05, "box": [32, 16, 16, 16], "track": 7, "label": "person"},
        {"time": 0.0, "box": [-5, -5, 20, 15]},
        {"time": 3.5, "box": [60, 40, 10, 10]},
    ]
    sidecar = tmp_path / "boxes.jsonl"
    sidecar.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    first, square, last = Video(video, detections=read_detections(sidecar))
    assert first.id == f"{video.parent.name}/gate.mp4#t=0.000&xywh=0,0,15,10"
    assert image_of(first).shape == (10, 15, 3)
    assert corner(first) == pytest.approx(grey(0), abs=4)
    assert (square.metadata.track, square.metadata.attributes["label"]) == ("7", "person")
    assert image_of(square).mean() > 235
    assert corner(last) == pytest.approx(grey(29), abs=4)  # shown until the end


def test_a_box_after_the_end_is_reported(video: Path) -> None:
    """Of another video, or with milliseconds for a time."""
    last, missing = Video(video, detections=[Detection(at, (0, 0, 9, 9), "", {}) for at in (3, 99)])
    assert corner(last) == pytest.approx(grey(29), abs=4)
    with pytest.raises(ImageError, match=r"the video ends after 3\.000 s; write times in seconds"):
        missing.read()
    assert missing.id.endswith("/gate.mp4#t=99.000&xywh=0,0,9,9")


@pytest.mark.parametrize("ending", ["mkv", "mp4", "webm"])
def test_the_length_of_a_video_counts_from_its_first_frame(tmp_path: Path, ending: str) -> None:
    """Frames at 5.0 to 5.9 seconds of the file: the last box lies 4.2 seconds after the end."""
    path = write(
        tmp_path / f"late.{ending}",
        RATE,
        list(range(50, 60)),
        codec="libvpx" if ending == "webm" else "mpeg4",
    )
    first, missing = Video(
        path, detections=[Detection(at, (0, 0, 9, 9), "", {}) for at in (0.5, 5.2)]
    )
    assert corner(first) == pytest.approx(grey(5), abs=4)
    with pytest.raises(ImageError, match=r"the video ends after (0\.9|1\.0)00 s"):
        missing.read()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1 is not of the form"),
        ("[1]", "line 1 is not of the form"),
        ('{"time": 1}', "line 1 is not of the form"),
        ('{"time": -1, "box": [0, 0, 1, 1]}', "0 or later"),
        ('{"time": 1, "box": [0, 0, 0, 1]}', "x, y, width, height"),
        ('{"time": 1, "box": [0, 0, 1]}', "x, y, width, height"),
        ('{"time": NaN, "box": [0, 0, 1, 1]}', "0 or later"),
        ('{"time": 1, "box": [0, 0, 1, 1], "box": [0, 0, 2, 2]}', "key 'box' comes twice"),
        ('{"time": 1, "box": [0, 0, 1, 1], "zones": ["a"]}', "it holds a list"),
        ('{"time": 1, "box": [0, 0, 1, 1], "score": Infinity}', "it holds infinity"),
        ("null", "not an object"),
        ('{"time": true, "box": [0, 0, 1, 1]}', "True is not a number"),
        ('{"time": 1, "box": "1234"}', "'1234' is not a list"),
        ('{"time": 1, "box": [0, 0, "1", 1]}', "'1' is not a number"),
        (f'{{"time": 1{"0" * 400}, "box": [0, 0, 1, 1]}}', "too large"),
        ('{"time": 1, "box": [0, 0, 1, 1], "Track ": "7"}', "write the key 'Track ' as 'track'"),
        ('{"time": 1, "box": [0, 0, 1, 1], "camera": "gate"}', "give --camera"),
        ('{"time": 1, "box": [0, 0, 1, 1], "captured_at": "2026"}', "give --started-at"),
        ("", "no detection"),
    ],
)
def test_a_line_of_another_form_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "boxes.jsonl"
    path.write_text(line)
    with pytest.raises(SourceError, match=words):
        read_detections(path)


def test_what_a_detector_does_not_know_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "boxes.jsonl"
    path.write_text(
        '{"time": 1, "box": [0, 0, 1, 1], "track": null, "hat": null, "age": NaN, "zone": 3.0}'
    )
    known = {"hat": "", "age": "", "zone": "3"}
    assert read_detections(path) == [Detection(1.0, (0, 0, 1, 1), "", known, states_track=True)]


def test_a_video_or_sidecar_that_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "v.mp4")
    with pytest.raises(SourceError, match="is a FIFO"):
        list(Video(tmp_path / "v.mp4"))
    with pytest.raises(SourceError, match="is a FIFO"):
        read_detections(tmp_path / "v.mp4")


def test_what_is_no_video_says_so(video: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    for content, words in ((b"", "cannot be read as a video"), (b"x" * 999, "cannot be read")):
        bad.write_bytes(content)
        with pytest.raises(SourceError, match=words):
            list(Video(bad))
    with pytest.raises(SourceError, match="cannot be read"):
        list(Video(tmp_path / "none.mp4"))
    with pytest.raises(SourceError, match="96x64"):
        list(Video(video, limits=ImageLimits(max_pixels=1000)))
    with av.open(str(tmp_path / "sound.mkv"), "w") as out:
        stream: Any = out.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate, sound.pts = 8000, 0
        out.mux(stream.encode(sound))
    with pytest.raises(SourceError, match="no pictures"):
        list(Video(tmp_path / "sound.mkv"))


@pytest.mark.parametrize("name", ["list.mp4", "list.ts"])
def test_a_playlist_in_a_videos_clothes_fetches_nothing(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.3)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/a.ts"
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n"
        (tmp_path / name).write_text(text)
        with pytest.raises(SourceError):
            list(Video(tmp_path / name))
        with pytest.raises(TimeoutError):
            listening.accept()


def test_what_was_read_before_the_damage_is_kept(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.mkv")
    data = bytearray(whole.read_bytes())
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(data[: len(data) * 2 // 3])
    before = [one for one in Video(cut, 0.5) if isinstance(one, FrameImage)]
    assert 2 <= len(before) < len(list(Video(whole, 0.5)))


def test_a_box_outside_is_passed_over_and_named(video: Path) -> None:
    outside, inside = (Detection(1.0, (x, 0, 9, 9), "", {}) for x in (200, 0))
    missing, found = Video(video, detections=[outside, inside])
    with pytest.raises(ImageError, match="outside the 96x64 frame"):
        missing.read()
    assert isinstance(found, FrameImage) and missing.id.endswith("/gate.mp4#t=1.000&xywh=200,0,9,9")


def test_a_video_goes_into_a_gallery_and_only_once(video: Path, tmp_path: Path) -> None:
    gallery = tmp_path / "gallery"
    model = ["--model", str(model_folder())]

    def run(*words: object) -> str:
        result = CliRunner().invoke(index, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        return result.output

    run("create", gallery, *model)
    add = ["add", gallery, video, *model, "--every", "500ms", "--camera", "gate"]
    assert "6 added, 0 replaced, 0 updated, 0 unchanged" in run(*add)
    assert "0 added, 0 replaced, 0 updated, 6 unchanged" in run(*add)
    with Gallery.open(gallery) as opened:
        stored = opened.view.get(f"{video.parent.name}/gate.mp4#t=1.500")
        assert (stored.width, stored.height, stored.metadata.camera) == (WIDTH, HEIGHT, "gate")
        assert opened.view.thumbnails([stored.id])[0]
    for wrong in (["--every", "0s"], ["--every", "1"], ["--started-at", "2026-05-01T12:00:00"]):
        assert (
            CliRunner().invoke(index, ["add", str(gallery), str(video), *model, *wrong]).exit_code
        )
    both = ["--every", "1s", "--boxes", str(video)]
    result = CliRunner().invoke(index, ["add", str(gallery), str(video), *model, *both])
    assert "--every for whole frames or --boxes" in result.output
    result = CliRunner().invoke(
        index, ["add", str(gallery), str(tmp_path), *model, "--every", "1s"]
    )
    assert "are only for videos" in result.output
