"""`partlens open` as a process of its own."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from partlens.explainer.starter.pictures import generate
from partlens.explainer.starter.pictures.manifest import write_pictures

START, STOP = 90.0, 60.0
PEOPLE = 30


@dataclass
class Opened:
    """A running `partlens open`.

    Attributes:
        lines: what it has printed so far.
    """

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def said(self, pattern: str) -> re.Match[str]:
        """The first line that matches a pattern, as soon as there is one."""
        found: re.Match[str] = until(
            lambda: next(filter(None, (re.search(pattern, line) for line in self.lines)), None),
            lambda: f"{pattern} is not among {self.lines}",
        )
        return found

    @property
    def page(self) -> str:
        """Address of the page."""
        return self.said(r"^Page: (http://\S+/)$")[1]

    @property
    def server(self) -> str:
        """Address of the gRPC service."""
        return self.said(r"--server (\S+:\d+)")[1]

    def call(self, method: str, message: object = None) -> Any:
        """The answer of a method, by Connect's JSON form."""
        answer = httpx.post(
            f"{self.page}partlens.v1.{method}", json=message or {}, timeout=START, trust_env=False
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def indexed(self) -> Any:
        """The progress of indexing, once it has ended."""

        def progress() -> Any:
            try:
                found = self.call("GalleryService/GetGallery")["indexing"]
            except AssertionError:  # it is loading
                return None
            return found if found.get("finished") else None

        return until(progress, lambda: f"indexing has not ended: {self.lines}")

    def finish(self) -> list[str]:
        """Wait until it ends; all that it printed."""
        self.process.wait(STOP)
        until(lambda: not self.process.stdout or self.process.stdout.closed, lambda: "no end")
        return self.lines


def until(found: Callable[[], Any], otherwise: Callable[[], str]) -> Any:
    """What a function returns, once that is true."""
    end = time.monotonic() + START
    while not (value := found()):
        assert time.monotonic() < end, otherwise()
        time.sleep(0.05)
    return value


@dataclass(frozen=True)
class Home:
    """A user's cache folder, and what a browser of the user would be asked to show."""

    cache: Path
    shown: Path

    @contextmanager
    def open(
        self, photos: Path, *options: str | Path, wrap: Sequence[str] = (), display: bool = False
    ) -> Iterator[Opened]:
        """`partlens open`; killed at the end."""
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            "XDG_CACHE_HOME": str(self.cache),
            # Nothing listens there, so that the hub is out of reach on every machine.
            "HF_ENDPOINT": "http://127.0.0.1:9",
            "HF_HOME": str(self.cache / "hf"),
            "DISPLAY": ":99" if display else "",
            "WAYLAND_DISPLAY": "",
            "BROWSER": f"{self.shown.with_suffix('.sh')} %s",
        }
        command = [sys.executable, "-m", "partlens.cli", "open", str(photos), *map(str, options)]
        with subprocess.Popen(
            [*wrap, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        ) as process:
            opened = Opened(process)
            reader = threading.Thread(target=_read, args=(opened,), daemon=True)
            reader.start()
            try:
                yield opened
            finally:
                process.kill()
                process.wait(STOP)
                reader.join(STOP)


def _read(opened: Opened) -> None:
    assert opened.process.stdout is not None
    with opened.process.stdout as out:
        for line in out:
            opened.lines.append(line.rstrip("\n"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    script, shown = tmp_path / "shown.sh", tmp_path / "shown"
    script.write_text(f'#!/bin/sh\necho "$1" >>{shown}\n')
    script.chmod(0o755)
    return Home(tmp_path / "cache", shown)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of generated people, and a file that is no picture."""
    folder = tmp_path / "holiday"
    write_pictures(generate(PEOPLE, 3), folder)
    for name in ("manifest.csv", "images.csv", "parts.csv"):
        (folder / name).unlink()
    (folder / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    return folder


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file of a folder with its size and time."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }
