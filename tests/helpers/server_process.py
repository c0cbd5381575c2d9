"""`partlens serve` in its own process."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# A fresh interpreter loads torch, which takes long on a busy machine.
START, STOP = 90.0, 20.0


@dataclass(frozen=True)
class ServerProcess:
    """A running server.

    Attributes:
        address: "host:port".
        log: file with its standard output and error.
    """

    process: subprocess.Popen[bytes]
    address: str
    log: Path

    def finish(self) -> str:
        """Wait until it ends, and return its output."""
        self.process.wait(STOP)
        return self.log.read_text()


@contextmanager
def server_process(
    model: Path, gallery: Path, *more: str | Path, name: str = "server", start: float = START
) -> Iterator[ServerProcess]:
    """A server on a free loopback port; stopped at the end, and killed if it does not stop.

    Args:
        model, gallery: folders; the address file and log are written next to the gallery.
        more: more options.
        name: name of those files; unique for each server of one gallery.
        start: seconds that it may take to start.
    """
    options = ["--model", model, "--gallery", gallery, *more]
    with process_in(gallery.parent, *options, name=name, start=start) as server:
        yield server


@contextmanager
def process_in(
    folder: Path,
    *options: str | Path,
    name: str = "server",
    start: float = START,
    within: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[ServerProcess]:
    """The same with any options.

    Args:
        folder: the address file and log are written here.
        within: what the command begins with, such as ("ip", "netns", "exec", "a").
        environment: more variables.
    """
    file, log = folder / f"{name}.address", folder / f"{name}.log"
    file.unlink(missing_ok=True)  # left by a server that was killed
    options = ("--listen", "127.0.0.1:0", "--address-file", file, *options)  # the last one counts
    with log.open("wb") as opened:
        process = subprocess.Popen(
            [*within, sys.executable, "-m", "partlens.cli", "serve", *map(str, options)],
            stdout=opened,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        )
    try:
        end = time.monotonic() + start
        while not file.exists():
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        yield ServerProcess(process, file.read_text().strip(), log)
    finally:
        process.terminate()
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP)
            raise
