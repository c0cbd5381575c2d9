"""Live streams from a real RTSP server: which frames, what they are called, and what goes wrong."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from redis_server import free_port
from rtsp_camera import HEIGHT, STEPS, WIDTH
from rtsp_server import PASSWORD, USER, RtspServer, rtsp_server

from partlens.explainer.starter import model_folder
from partlens.indexer.cli import index
from partlens.indexer.errors import SourceError
from partlens.indexer.gallery import Gallery
from partlens.indexer.video import FrameImage, LiveStream
from partlens.indexer.video.address import read_address

LATE = 0.7
"""Seconds that a frame may be old when it comes, on a machine that is busy."""


@pytest.fixture
def server() -> Iterator[RtspServer]:
    with rtsp_server() as running:
        yield running


def age(frame: FrameImage) -> float:
    """Seconds from what the picture tells to its time, -0.3 to 2.1."""
    assert frame.metadata.captured_at is not None
    shown = round((float(frame.image.mean()) - 10) / 10)
    return ((frame.metadata.captured_at.timestamp() * 10 - shown + 3) % STEPS - 3) / 10


def times(frames: list[FrameImage]) -> list[float]:
    found = [one.metadata.captured_at for one in frames]
    return [at.timestamp() for at in found if at is not None]


def test_frames_come_at_the_interval_and_are_of_their_time(server: RtspServer) -> None:
    stream = LiveStream(
        read_address(server.url(None), PASSWORD), "gate", 0.4, batch_size=3, seconds=3.5
    )
    groups = list(stream)
    frames = [frame for group in groups for frame in group]
    assert all(1 <= len(group) <= 3 for group in groups) and len(groups) > 1
    at = times(frames)
    # The first may have waited for its connection.
    assert 6 <= len(frames) <= 1 + (at[-1] - at[0]) / 0.4 + 0.5
    for one, two in pairwise(at[1:]):
        assert two - one == pytest.approx(0.4, abs=0.25)
    for frame in frames[1:]:
        assert frame.image.shape == (HEIGHT, WIDTH, 3) and age(frame) < LATE
    assert len({frame.id for frame in frames}) == len(frames)
    for frame in frames:
        assert re.fullmatch(r"gate/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", frame.id)
        assert frame.uri == f"rtsp://127.0.0.1:{server.port}/gate#t=clock:{frame.id[5:]}"
        assert frame.metadata.camera == "gate"
    assert not stream.left_out


def test_a_server_that_comes_back_is_gone_on_with(server: RtspServer) -> None:
    told: list[str] = []
    stream = LiveStream(read_address(server.url()), "gate", 0.2, seconds=40.0, tell=told.append)
    groups = iter(stream)
    before = list(next(groups))
    server.kill()
    server.start()
    restarted, after = time.time(), list[FrameImage]()
    while not any(at > restarted for at in times(after)):
        after += next(groups)
    stream.stop()
    after += [frame for group in groups for frame in group]
    found = times(before + after)
    assert found == sorted(set(found))
    assert any("connecting again in" in text for text in told)
    assert PASSWORD not in str(told) and quote(PASSWORD, safe="") not in str(told)


def test_frames_for_which_there_is_no_time_are_left_out_and_not_late(server: RtspServer) -> None:
    told: list[str] = []
    stream = LiveStream(read_address(server.url()), "gate", 0.04, tell=told.append)
    groups = iter(stream)
    next(groups)
    time.sleep(2.0)  # the model is busy
    waited = [*next(groups), *next(groups)]
    stream.stop()
    assert stream.left_out
    assert told == ["frames come faster than the model takes them; some are left out"]
    assert all(age(frame) < LATE for frame in waited)


def test_what_cannot_be_reached_is_told_without_its_password(server: RtspServer) -> None:
    nobody = f"rtsp://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{free_port()}/gate"
    elsewhere = server.url().replace("/gate", "/none")
    for url, reason in (
        (nobody, "Connection refused"),
        (server.url("wr0ng"), "401 Unauthorized"),
        (elsewhere, "404 Not Found"),
    ):
        with pytest.raises(SourceError, match=reason) as caught:
            list(LiveStream(read_address(url), "gate"))
        said = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
        assert not any(word in said for word in (PASSWORD, quote(PASSWORD, safe=""), "wr0ng", USER))


def test_tries_are_counted() -> None:
    told: list[str] = []
    address = read_address(f"rtsp://127.0.0.1:{free_port()}/gate")
    with pytest.raises(SourceError, match="Connection refused"):
        list(LiveStream(address, "gate", tries=2, tell=told.append))
    assert len(told) == 1 and told[0].endswith("connecting again in 1 s")


def test_a_server_that_says_nothing_is_given_up_and_left_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = read_address(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/gate")
        with pytest.raises(SourceError, match=r"did not answer in 0\.3 s"):
            list(LiveStream(address, "gate", deadline=0.3))
        began = time.monotonic()
        assert list(LiveStream(address, "gate", deadline=20.0, seconds=0.2)) == []
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://u:p@gate/live", "rtsp://gate/live"),
        ("rtsp://u:a@b@gate/live", "rtsp://gate/live"),
        ("RTSP://[::1]:8554/live?user=u&password=p#p", "rtsp://[::1]:8554/live"),
        ("rtsp://gate/user=u_password=p_channel=1/live", "rtsp://gate/live"),
    ],
)
def test_what_may_be_secret_of_an_address_is_not_shown(text: str, shown: str) -> None:
    address = read_address(text)
    assert address.shown == shown and "password" not in repr(address)


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://", "rtsp:///p", "rtsp://u:sec/ret@gate/", "rtsp://u:12/sec@gate/", "rtsp://gate:x/sec",
        "rtsp://u:12#sec@gate/", "rtsp://u:12?sec@gate/", "http://u:sec@gate/", "rtsp://u:sec@gate/\n",
        "rtsp://u:sec@[gate/",
    ],
)  # fmt: skip
def test_a_wrong_address_is_not_quoted(text: str) -> None:
    with pytest.raises(SourceError) as caught:
        read_address(text)
    assert "sec" not in f"{caught.value} {caught.value.__cause__}"


def test_a_password_is_given_once() -> None:
    for text in ("rtsp://u:p@gate/", "rtsp://gate/"):
        with pytest.raises(SourceError, match="with a password apart"):
            read_address(text, "p")


def test_a_stream_that_is_told_to_stop_has_all_that_it_took_in_the_gallery(
    server: RtspServer, tmp_path: Path
) -> None:
    gallery, model = tmp_path / "gallery", ["--model", str(model_folder())]
    assert CliRunner().invoke(index, ["create", str(gallery), *model]).exit_code == 0
    add = ["add", str(gallery), server.url(), *model, "--camera", "gate", "--every", "200ms"]
    run = "from partlens.indexer.cli import index; index()"
    with subprocess.Popen(
        [sys.executable, "-c", run, *add],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        try:
            assert process.stderr is not None
            line = process.stderr.readline()  # of the first commit
            committed = json.loads(line)["added"]
            with Gallery.open(gallery) as opened:
                assert len(opened.view) >= committed > 0
            time.sleep(1.0)  # frames come, of which none is committed yet
            process.send_signal(signal.SIGTERM)
            out, more = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, more
    with Gallery.open(gallery) as opened:
        assert out.startswith(
            f"{len(opened.view)} added, 0 replaced, 0 updated, 0 unchanged, 0 skipped"
        )
        assert len(opened.view) > committed
        stored = opened.view.get(min(opened.view.digests()))
    assert stored.uri == f"rtsp://127.0.0.1:{server.port}/gate#t=clock:{stored.id[5:]}"
    said = "".join([out, line, more]).encode()
    kept = [path.read_bytes() for path in gallery.rglob("*") if path.is_file()]
    for secret in (PASSWORD, quote(PASSWORD, safe="")):
        assert not any(secret.encode() in text for text in (said, *kept))


def test_options_that_make_no_sense_of_a_stream_are_refused(tmp_path: Path) -> None:
    model = ["--model", str(model_folder())]

    def said(source: str, *options: str) -> str:
        result = CliRunner().invoke(index, ["add", str(tmp_path), source, *model, *options])
        assert result.exit_code
        return re.sub(r"[\s│]+", " ", result.output)

    stream = "rtsp://u:secret@127.0.0.1/gate"
    boxes = tmp_path / "boxes.jsonl"
    boxes.write_text("{}")
    for options, words in (
        (["--camera", "gate", "--boxes", str(boxes)], "--boxes is only for video files"),
        (["--camera", "gate", "--started-at", "2026-05-01T12:00Z"], "is only for video files"),
        ([], "a stream needs --camera"),
        (["--camera", "a\nb"], "contains a control character"),
        (["--camera", "gate", "--password-file", str(tmp_path / "none")], "cannot be read"),
    ):
        text = said(stream, *options)
        assert words in text and "secret" not in text
    assert "begins with rtsp://" in said("http://u:secret@gate/", "--camera", "gate")
    for option in (["--for", "1s"], ["--tries", "2"], ["--password-file", str(boxes)]):
        assert "are only for streams" in said("gate.mp4", *option)
