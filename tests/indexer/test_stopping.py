"""A first Ctrl-C ends `partlens index add`, whatever it is in the middle of."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn

from partlens.explainer.importing.torch_module import with_onnx_backbone
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.indexer.cli import index
from partlens.indexer.gallery import Gallery
from partlens.indexer.workers import Workers, interruptible

DEADLINE = 60.0
"""Seconds for what takes one or two on an idle machine."""


class Slow(nn.Module):
    """A pass of hundreds of images takes half a minute of one core."""

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Conv2d(256 if i else 3, 256, 3, padding=1) for i in range(8)]
        self.stem = nn.Sequential(*layers, nn.AdaptiveAvgPool2d((2, 2)))
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = self.pool(self.stem(x))
        return pooled.flatten(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "slow"
    preprocessing = Preprocessing(32, 32)
    live = MetricModel.from_module(
        Slow().eval(), feature_layer="stem", preprocessing=preprocessing, name="slow"
    )
    with_onnx_backbone(live, []).save(folder)
    return folder


@pytest.fixture
def gallery(tmp_path: Path, model: Path) -> Path:
    place = tmp_path / "gallery"
    made = CliRunner().invoke(index, ["create", str(place), "--model", str(model)])
    assert made.exit_code == 0, made.output
    return place


@contextmanager
def adding(gallery: Path, source: Path, model: Path, batch: int) -> Iterator[subprocess.Popen[str]]:
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
    code += "from partlens.indexer.cli import index; index()"
    arguments = ["add", str(gallery), str(source), "--model", str(model), "--batch", str(batch)]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)


def interrupt(child: subprocess.Popen[str]) -> str:
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=DEADLINE)
    assert child.returncode == 128 + signal.SIGINT, stderr
    assert stderr.endswith("stopped; run the command again to resume\n")
    return stderr


def cpu_seconds(child: subprocess.Popen[str]) -> float:
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(count):
        pixels = random.integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
    return folder


def test_in_a_pass_through_the_model(tmp_path: Path, gallery: Path, model: Path) -> None:
    source = pictures(tmp_path / "pictures", 512)
    before = children_seconds()
    with adding(gallery, source, model, 512) as child:
        # It imports and decodes for a few seconds; from then on it computes in the pass.
        wait_for(lambda: cpu_seconds(child) > 9)
        interrupt(child)
    # On its one core, the pass alone takes more than twice that.
    assert children_seconds() - before < 18
    assert len(Gallery.open(gallery).view) == 0


def test_between_passes_keeps_what_was_reported(tmp_path: Path, gallery: Path, model: Path) -> None:
    source = pictures(tmp_path / "pictures", 64)
    with adding(gallery, source, model, 1) as child:
        assert child.stderr is not None
        reported = json.loads(child.stderr.readline())["added"]
        interrupt(child)
    assert 1 <= reported <= len(Gallery.open(gallery).view) < 64


def test_a_call_that_never_returns_holds_nothing_up(tmp_path: Path) -> None:
    """As a read from a disk that does not answer: here, of a FIFO that nobody writes to."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    code = (
        "import sys; from pathlib import Path; from partlens.indexer.workers import *\n"
        "read = Path(sys.argv[1]).read_bytes\n"
        "with Workers(2, 'stuck') as workers:\n"
        "    futures = [workers.submit(read) for _ in range(9)]\n"
        "assert all(one.cancelled() for one in futures[2:])\n"
        "print('waits', flush=True)\n"
        "interruptible(read)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(fifo)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "waits\n"
            child.send_signal(signal.SIGINT)
            _, stderr = child.communicate(timeout=DEADLINE)
            assert "KeyboardInterrupt" in stderr
            with pytest.raises(OSError) as raised:  # it was still waiting for a writer, and is gone
                os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            assert raised.value.errno == errno.ENXIO
        finally:
            child.kill()


def test_calls_return_and_raise_what_they_do() -> None:
    with Workers(3, "some") as workers:
        futures = [workers.submit(pow, i, 2) for i in range(50)]
        failing = workers.submit(int, "x")
        assert [one.result(DEADLINE) for one in futures] == [i * i for i in range(50)]
        with pytest.raises(ValueError, match="'x'"):
            failing.result(DEADLINE)
    assert interruptible(lambda: 7) == 7
