"""A served process to throw things at, and what must hold when they were thrown.

PARTLENS_FUZZ=SEED:FIRST-LAST says which cases are tried, as a failure prints it. The default is
3,000 cases; the long run has 10,000, enough to show a leak.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
import psutil
import pytest
from fuzz_messages import Case
from server_process import ServerProcess, server_process
from tests.server.conftest import DEADLINE, picture, tiny_model

from partlens.client import Box, Client, Filter, Hit, Metadata, QueryRegion, Upload
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery

KEPT = "camera that no case knows"
_IN_FLIGHT = 32
_LIMITS = {"request_bytes": 256 * 1024, "image_pixels": 250_000, "kept_queries": 16}
# What a caller can be told of a request that is its own fault.
_FAIR = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
# Calls that last until their caller has enough.
_OPEN_END = {
    "/grpc.health.v1.Health/Watch",
    "/partlens.v1.StandingQueryService/WatchMatches",
}


def _sum(hit: Hit) -> float:
    return hit.constant + (float(hit.map.values.sum()) if hit.map else 0.0)


@dataclass(frozen=True)
class Cases:
    """The cases to try: a seed, and their numbers."""

    seed: int
    numbers: range


@pytest.fixture(scope="session")
def cases() -> Cases:
    usual = "1:0-9999" if os.environ.get("PARTLENS_TEST_LONG") == "1" else "1:0-2999"
    text = os.environ.get("PARTLENS_FUZZ", usual)
    parts = re.fullmatch(r"(\d+):(\d+)(?:-(\d+))?", text)
    assert parts, f"PARTLENS_FUZZ={text}: must be SEED:FIRST-LAST or SEED:NUMBER"
    first = int(parts[2])
    return Cases(int(parts[1]), range(first, int(parts[3] or first) + 1))


@dataclass
class Target:
    """A server, and what it answered."""

    server: ServerProcess
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)

    def call(self, channel: grpc.Channel, case: Case) -> str:
        """Makes a call; what is wrong with its end, or nothing."""
        seconds = 0.2 if case.path in _OPEN_END else DEADLINE
        method: Any = channel.stream_stream(case.path)
        call = method(iter(case.requests), timeout=seconds)
        with suppress(grpc.RpcError):
            for _ in call:
                pass
        code = call.code()
        self.ended[case.path, code.name] += 1
        cut = code is grpc.StatusCode.DEADLINE_EXCEEDED and case.path in _OPEN_END
        return "" if cut or code in _FAIR else f"{case.path}: {code.name}: {call.details()}"

    def calls(self, cases: Cases, made: Callable[[int], Case]) -> None:
        """Makes the calls of all cases, many at once; fails with those that end as none may, or
        if a server that has seen half of very many grows much with the other half.

        What cases leave in the gallery takes some: 10 % are far from a leak of whole pictures.
        """
        half = len(cases.numbers) // 2
        self._calls(Cases(cases.seed, cases.numbers[:half]), made)
        before = self.memory()
        self._calls(Cases(cases.seed, cases.numbers[half:]), made)
        after = self.memory()
        assert half < 5000 or after < 1.1 * before, f"{before} bytes became {after}"

    def _calls(self, cases: Cases, made: Callable[[int], Case]) -> None:
        # Not grpc.aio: a write that loses the race with the call's end is INTERNAL there.
        with (
            grpc.insecure_channel(self.server.address) as channel,
            ThreadPoolExecutor(_IN_FLIGHT) as threads,
        ):
            faults = threads.map(lambda number: self.call(channel, made(number)), cases.numbers)
            wrong = [
                f"PARTLENS_FUZZ={cases.seed}:{number}  {fault}"
                for number, fault in zip(cases.numbers, faults, strict=True)
                if fault
            ]
        assert not wrong, f"{len(wrong)} of {len(cases.numbers)} cases:\n" + "\n".join(wrong[:20])

    def memory(self) -> int:
        """Bytes that only the server has."""
        return int(psutil.Process(self.server.process.pid).memory_full_info().uss)

    def search(self) -> dict[str, tuple[float, float]]:
        """Score and sum of the map of each image that no case knows, in a good search."""
        with Client(self.server.address, DEADLINE) as client:
            region = QueryRegion(Box(4, 6, 25, 30))
            found = client.search_regions([picture(3)], [region], where=Filter(cameras=[KEPT]))
        return {hit.id: (round(hit.score, 4), round(_sum(hit), 4)) for hit in found.hits}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server of every service, with small limits and eight images that no case knows."""
    folder = tmp_path_factory.mktemp("fuzz")
    tiny_model().save(folder / "model")
    Gallery.create(folder / "gallery", MetricModel.load(folder / "model").spec).close()
    options = ["--reflection", "--set", "observe.log_level=warning"]
    options += [part for k, v in _LIMITS.items() for part in ("--set", f"limits.{k}={v}")]
    with server_process(folder / "model", folder / "gallery", *options) as server:
        with Client(server.address, DEADLINE) as client:
            kept = [Upload(f"kept{i}", picture(i), metadata=Metadata(KEPT)) for i in range(8)]
            assert all(answer.committed for answer in client.upsert_images(kept))
        yield Target(server)
        assert server.process.poll() is None
