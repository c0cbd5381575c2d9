"""A worker's connection: renewed credentials are used at once, and half-written ones waited for."""

from pathlib import Path

import pytest
from tests.server.conftest import picture, settings

from partlens.client import Upload
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.ingest.errors import UploadError
from partlens.ingest.uploader import Uploader
from partlens.server.access.token_file import TokenFile
from partlens.server.access.tokens import create
from partlens.server.app import create_server


async def test_a_renewed_token_is_used_and_a_half_written_one_waited_for(
    model: MetricModel, gallery: Gallery, tmp_path: Path
) -> None:
    tokens, file = TokenFile(tmp_path / "tokens.json"), tmp_path / "token"
    for name in ("old", "new"):
        made, text = create(name, frozenset({"ingest"}))
        tokens.add(made)
        (tmp_path / name).write_text(text)
    file.write_text((tmp_path / "old").read_text())
    server = create_server(model, gallery, settings(access={"tokens": tokens.path}))
    address = f"127.0.0.1:{await server.start()}"
    uploader = Uploader(settings(ingest={"server": address, "token_file": file}).ingest)

    async def upload(id: str) -> bool:
        await uploader.require_ready()
        (answer,) = [one async for one in uploader.upsert([Upload(id, picture(1))])]
        return answer.committed

    assert await upload("first") and await upload("second")
    tokens.remove(next(id for id, one in tokens.read().items() if one.name == "old"))
    with pytest.raises(UploadError, match="token") as refused:
        await upload("third")
    for half in ("", "two words"):
        file.write_text(half)
        with pytest.raises(UploadError) as unusable:
            await upload("third")
        assert not unusable.value.at_fault
    file.write_text((tmp_path / "new").read_text())
    assert await upload("third")
    assert not refused.value.at_fault
    assert sorted(image.id for image in gallery.view.list()) == ["first", "second", "third"]
    await uploader.close()
    await server.stop(0)
