"""A server whose gallery is damaged tells its operator in every way, and serves what is whole."""

import asyncio
import logging
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry
from tests.server.conftest import DEADLINE, picture, settings, upserts

from partlens.client import AsyncClient, Box, QueryRegion, Upload
from partlens.client.channel import FILES_HEALTH as CLIENT_FILES_HEALTH
from partlens.client.cli.health import health
from partlens.client.errors import ServerError
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.findings import KINDS, Finding
from partlens.server.app import PartlensServer, create_server
from partlens.server.doctor.cli import doctor
from partlens.server.observe.health import FILES as FILES_HEALTH
from partlens.server.observe.metrics import Metrics
from partlens.server.observe.scrub_report import ScrubReport

SOON = 20.0
SCRUB = {"scrub_bytes_per_second": 1e9, "scrub_every_seconds": 0.05}
REGION = [QueryRegion(Box(4, 2, 25, 20))]


@asynccontextmanager
async def serving(
    model: MetricModel, folder: Path, **server: object
) -> AsyncIterator[tuple[PartlensServer, str]]:
    made = create_server(model, Gallery.open(folder), settings(server=server))
    address = f"127.0.0.1:{await made.start()}"
    try:
        yield made, address
    finally:
        await asyncio.wait_for(made.stop(0), DEADLINE)


@pytest.fixture
async def folder(model: MetricModel, gallery: Gallery) -> Path:
    """A gallery of 12 pictures, on disk."""
    async with serving(model, gallery.path) as (_, address), AsyncClient(address) as client:
        images = [Upload(one.id, one.data) for one in upserts(12)]
        await client.upsert_images(images)
    return gallery.path


def rows_files(folder: Path) -> list[Path]:
    needed = Gallery.open(folder).view.version.needed()
    return [folder / file.place for file in needed if file.of_rows]


def overwrite(file: Path, offset: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        opened.write(bytes(range(0x81, 0xC1)))


async def wait_until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not met():
        assert time.monotonic() < end, f"not within {SOON} s"
        await asyncio.sleep(0.02)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    found = registry.get_sample_value(name, labels)
    assert found is not None, name
    return found


def ask_doctor(folder: Path) -> tuple[int, str]:
    result = CliRunner().invoke(doctor, ["--set", f"server.gallery={folder}"])
    return result.exit_code, result.output


async def test_damage_of_the_truth_is_told_everywhere_and_the_rest_is_served(
    model: MetricModel, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "partlens")
    async with serving(model, folder, **SCRUB) as (server, address), AsyncClient(address) as client:
        registry = server.metrics.registry
        await wait_until(
            lambda: value(registry, "partlens_scrubbed_bytes_total", gallery="default") > 0
        )
        assert await client.files_are_sound()
        assert value(registry, "partlens_damaged_files", gallery="default", kind="truth") == 0
        assert ask_doctor(folder)[0] == 0

        file = rows_files(folder)[0]
        overwrite(file, 2000)
        await wait_until(
            lambda: value(registry, "partlens_damaged_files", gallery="default", kind="truth") == 1
        )
        place = file.relative_to(folder).as_posix()
        lines = [record for record in caplog.records if getattr(record, "file", "") == place]
        assert len(lines) == 1 and lines[0].levelno == logging.ERROR and place in lines[0].message
        assert vars(lines[0])["repairable"] is False
        code, text = ask_doctor(folder)
        assert code == 1 and re.search(f"complaint: .*{place}.*backup", text)
        assert not await client.files_are_sound()
        await client.wait_until_ready(DEADLINE)
        health_result = await asyncio.to_thread(CliRunner().invoke, health, ["--server", address])
        assert health_result.exit_code == 0 and "files of the gallery are damaged" in (
            health_result.stderr
        )
        found = await client.search_regions([picture(100)], REGION)
        assert len(found.hits) > 0
        assert value(registry, "partlens_scrub_completed_timestamp_seconds", gallery="default") > 0
    code, text = ask_doctor(folder)
    assert code == 1 and place in text, "also when no server runs"


async def test_a_server_starts_with_damage_and_knows_it_at_once_even_without_scrubbing(
    model: MetricModel, folder: Path
) -> None:
    overwrite(rows_files(folder)[0], 2000)
    async with serving(model, folder, scrub_bytes_per_second=0.0) as (server, address):
        registry = server.metrics.registry
        assert value(registry, "partlens_damaged_files", gallery="default", kind="truth") == 1
        async with AsyncClient(address) as client:
            assert not await client.files_are_sound()
        assert value(registry, "partlens_scrubbed_bytes_total", gallery="default") == 0
    code, text = ask_doctor(folder)
    assert code == 1 and "complaint: gallery: truth.lance" in text


async def test_a_damaged_segment_is_made_again_and_that_is_told(
    model: MetricModel, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "partlens")
    async with serving(model, folder, **SCRUB) as (server, address), AsyncClient(address) as client:
        before = await client.search_regions([picture(100)], REGION)
        segment = next((folder / "segments").iterdir())
        overwrite(segment / "contributions.npy", 500)
        await wait_until(lambda: not segment.exists())
        await wait_until(lambda: "rebuilt from the truth: segments/" in caplog.text)
        after = await client.search_regions([picture(100)], REGION)
        assert [hit.id for hit in after.hits] == [hit.id for hit in before.hits]
        assert (
            value(
                server.metrics.registry,
                "partlens_damaged_files",
                gallery="default",
                kind="segments",
            )
            == 0
        )
        mended = partial(
            value, server.metrics.registry, "partlens_mended_files_total", gallery="default"
        )
        assert (mended(kind="segments"), mended(kind="truth")) == (1, 0)
        assert await client.files_are_sound()
    assert ask_doctor(folder)[0] == 0


async def test_thumbnails_that_cannot_be_read_are_left_out_and_counted(
    model: MetricModel, folder: Path
) -> None:
    async with (
        serving(model, folder, scrub_bytes_per_second=0.0) as (server, address),
        AsyncClient(address) as client,
    ):
        for file in rows_files(folder):
            os.truncate(file, 0)
        found = await client.search_regions([picture(100)], REGION, thumbnails=True)
        assert len(found.hits) > 0
        assert all(not hit.thumbnail for hit in found.hits)
        listed = [one async for one in client.list_images(thumbnails=True)]
        assert len(listed) == 12 and not any(one.thumbnail for one in listed)
        counted = value(server.metrics.registry, "partlens_unreadable_thumbnails_total")
        assert counted == len(found.hits) + len(listed)
        with pytest.raises(ServerError, match="DATA_LOSS: the gallery's files are damaged"):
            await client.get_image(found.hits[0].id)


async def test_health_of_the_files_is_asked_for_by_the_name_that_the_client_knows(
    model: MetricModel, folder: Path
) -> None:
    assert FILES_HEALTH == CLIENT_FILES_HEALTH
    async with serving(model, folder) as (_, address):
        async with grpc.aio.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service=FILES_HEALTH)
            answer = await stub.Check(request, timeout=DEADLINE)  # pyright: ignore[reportAttributeAccessIssue]
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_many_damaged_files_do_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "partlens")
    metrics, sound = Metrics(), list[bool]()
    report = ScrubReport(metrics.gallery.of("default"), sound.append)
    findings = [Finding(f"truth.lance/data/{n}", "is missing", False) for n in range(500)]
    for finding in findings:
        report.found(finding)
    assert 0 < len(caplog.records) <= 20
    assert value(metrics.registry, "partlens_damaged_files", gallery="default", kind="truth") == 500
    for finding in findings:
        report.cleared(finding, mended=False)
    assert [sound[0], sound[1], sound[-1]] == [True, False, True]
    assert all(
        value(metrics.registry, "partlens_damaged_files", gallery="default", kind=kind) == 0
        for kind in KINDS
    )
