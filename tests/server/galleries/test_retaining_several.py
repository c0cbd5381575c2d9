"""A server erases the old images of each of its galleries, as that gallery's settings say."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from tests.server.conftest import DEADLINE
from tests.server.galleries.conftest import NAMES, PREFIX, serving, upserts

from partlens.explainer.model import MetricModel
from partlens.v1 import gallery_service_pb2 as pb


async def test_each_gallery_is_retained_by_its_own_period(
    models: dict[str, MetricModel], tmp_path: Path
) -> None:
    async with serving(models, tmp_path) as two:
        for name in NAMES:
            old, *others = upserts(name, range(3))
            old.metadata.captured_at.FromDatetime(datetime(2020, 1, 1, tzinfo=UTC))
            await two.upload([old, *others])
    tables = {name: {"path": tmp_path / name} for name in NAMES}
    galleries = {**tables, "people": {**tables["people"], "keep": "never"}}
    sections: dict[str, dict[str, object]] = {
        "server": {"galleries": galleries, "listen": "127.0.0.1:0"},
        "retention": {"keep": "30d"},
    }
    async with serving(models, tmp_path, 0, **sections) as two, asyncio.timeout(DEADLINE):
        while not list(tmp_path.glob("*.receipts/[!.]*.json")):
            await asyncio.sleep(0.05)
        request = pb.GetGalleryRequest(gallery="people-v2")
        assert (await two.gallery.GetGallery(request, timeout=DEADLINE)).images == 2
        request = pb.GetGalleryRequest(gallery="people")
        assert (await two.gallery.GetGallery(request, timeout=DEADLINE)).images == 3
    receipts = list(tmp_path.glob("*.receipts/[!.]*.json"))
    assert [path.parent.name for path in receipts] == ["people-v2.receipts"]
    assert f'"{PREFIX["people-v2"]}000"' in receipts[0].read_text()
