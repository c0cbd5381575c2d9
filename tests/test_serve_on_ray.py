"""serve-on-ray ends the server when its Ray node ends, and passes a stop on to it."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.test_deploy import SCRIPT

DEADLINE = 30.0
# Programs that only live and die, in the place of Ray and partlens.
LASTING = (
    "trap 'echo stopped >> {file}; exit 0' TERM\necho \"$@\" > {file}\nwhile :; do sleep 0.1; done"
)
ENDING = 'echo "$@" > {file}\nsleep 0.5'

Start = Callable[[str, str], "subprocess.Popen[str]"]


@pytest.fixture(name="start")
def start_(tmp_path: Path) -> Start:
    def start(ray: str, partlens: str) -> "subprocess.Popen[str]":
        for name, text in (("ray", ray), ("partlens", partlens)):
            program = tmp_path / name
            program.write_text(f"#!/bin/bash\n{text.format(file=tmp_path / (name + '.txt'))}\n")
            program.chmod(0o755)
        return subprocess.Popen(
            [str(SCRIPT), "head:6379", "--set=a=1"],
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
            text=True,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    return start


def end_all(process: "subprocess.Popen[str]") -> None:
    """End what the script has left running, if anything."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(("ray", "partlens"), [(ENDING, LASTING), (LASTING, ENDING)])
def test_when_one_ends_the_container_ends_and_fails(
    start: Start, tmp_path: Path, ray: str, partlens: str
) -> None:
    with start(ray, partlens) as process:
        try:
            assert process.wait(DEADLINE) == 1
        finally:
            end_all(process)
    served = (tmp_path / "partlens.txt").read_text().splitlines()
    assert served[0] == "serve --shards ray --address head:6379 --set=a=1"
    assert served[1:] == (["stopped"] if partlens == LASTING else [])


def test_a_stop_reaches_the_server_once(start: Start, tmp_path: Path) -> None:
    with start(LASTING, LASTING) as process:
        try:
            end, file = time.monotonic() + DEADLINE, tmp_path / "partlens.txt"
            while not (file.exists() and file.read_text()):
                assert time.monotonic() < end
                time.sleep(0.05)
            process.terminate()
            assert process.wait(DEADLINE) == 0
        finally:
            end_all(process)
    assert file.read_text().splitlines()[1:] == ["stopped"]
