"""The log as a file: nothing acknowledged is lost, and every call of a server is in it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.server.conftest import DEADLINE, Running, picture, upserts

from partlens.server.audit.log import AuditLog
from partlens.server.audit.verification import verify
from partlens.server.errors import AuditError
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb

APPEND_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from partlens.server.audit.log import AuditLog

async def main():
    log = AuditLog(Path(sys.argv[1]))
    log.open()
    async def keep_on(who):
        for n in range(10**6):
            await log.append({"who": who, "n": n})
            print(who, n, flush=True)
    await asyncio.gather(*map(keep_on, range(4)))

asyncio.run(main())
"""


def opened(path: Path) -> AuditLog:
    log = AuditLog(path)
    log.open()
    return log


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


async def test_entries_are_in_order_and_go_on_after_a_restart(tmp_path: Path) -> None:
    for start in (0, 20):
        log = opened(tmp_path / "log")
        await asyncio.gather(*(log.append({"n": start + i}) for i in range(20)))
        await log.close()
    assert [entry["n"] for entry in entries(tmp_path / "log")] == list(range(40))
    assert verify(tmp_path / "log").entries == 40


async def test_a_torn_line_is_cut_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for before in (b"", b"whole"):
        if before:
            log = opened(path)
            await log.append({"n": 0})
            await log.close()
        with path.open("ab") as file:
            file.write(b'{"n": 1, "ha')
        torn = verify(path).torn_bytes
        log = opened(path)
        await log.append({"n": 1})
        await log.close()
        assert torn == 12 and verify(path).torn_bytes == 0
        assert [entries(path)[-2][key] for key in ("event", "bytes")] == ["cut a torn line", 12]


def test_what_is_no_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"something else\n")
    with pytest.raises(AuditError, match="last line: this is not a line of an audit log"):
        opened(path)
    assert path.read_bytes() == b"something else\n"


async def test_one_server_at_a_time_writes_it(tmp_path: Path) -> None:
    log = opened(tmp_path / "log")
    with pytest.raises(AuditError, match="another server is writing"):
        opened(tmp_path / "log")
    await log.close()


async def test_an_entry_that_cannot_be_written_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(tmp_path / "log")
    await log.append({"n": 0})

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(AuditError, match="No space left"):
            await log.append({"n": 1})
    await log.append({"n": 2})
    await log.close()
    assert [entry["n"] for entry in entries(tmp_path / "log")] == [0, 2]
    assert verify(tmp_path / "log").entries == 2


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "log"
    command = [sys.executable, "-c", APPEND_FOR_EVER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        acknowledged = [process.stdout.readline().split() for _ in range(200)]
        process.kill()
        acknowledged += [line.split() for line in process.stdout if line.endswith("\n")]
    verify(path)
    opened(path)
    verify(path)
    written = {(entry["who"], entry["n"]) for entry in entries(path) if "who" in entry}
    assert {(int(who), int(n)) for who, n in acknowledged} <= written


def asked(**fields: Any) -> search_pb.SearchRegionsRequest:
    region = region_pb.Region(box=region_pb.Box(x=0, y=0, width=20, height=20))
    return search_pb.SearchRegionsRequest(
        images=[image_pb.QueryImage(data=picture(100))],
        regions=[search_pb.QueryRegion(region=region)],
        **fields,
    )


async def test_every_call_is_written_down_before_it_is_answered(
    filled: Running, tmp_path: Path
) -> None:
    path = tmp_path / "gallery.audit.jsonl"
    before = len(entries(path))
    found = await filled.search.SearchRegions(asked(page_size=3), timeout=DEADLINE)
    again = await filled.search.SearchRegions(asked(page_size=5), timeout=DEADLINE)
    with pytest.raises(grpc.aio.AioRpcError):
        await filled.search.SearchRegions(asked(page_size=9999), timeout=DEADLINE)
    await filled.upload([*upserts(2), gallery_pb.UpsertImagesRequest(id="bad", data=b"x")])
    delete = gallery_pb.DeleteImagesRequest(ids=["p001", "nobody"])
    await filled.gallery.DeleteImages(delete, timeout=DEADLINE)
    written = entries(path)[before:]
    assert verify(path).entries == before + len(written)
    first, second, refused = written[:3]
    assert first["method"] == "SearchRegions" and first["name"] == "anyone"
    assert (first["hits"], second["hits"]) == (3, 5)
    assert first["gallery_version"] == found.gallery_version == again.gallery_version
    assert first["query"] == second["query"] and first["outcome"] == "OK"
    assert refused["outcome"] == "INVALID_ARGUMENT" and "query" not in refused
    uploads = [
        entry
        for entry in written
        if entry["method"] == "UpsertImages" and entry["outcome"] != "BEGUN"
    ]
    assert sum(entry["committed"] for entry in uploads) == 2
    assert sum(entry["refused"] for entry in uploads) == 1
    begun, ended = written[-2:]
    assert (ended["method"], ended["deleted"], ended["begun"]) == (
        "DeleteImages",
        1,
        begun["entry"],
    )
    assert (begun["outcome"], begun["query"]) == ("BEGUN", ended["query"])
    assert not verify(path).unfinished
    # What was looked for is named by digest alone.
    assert "p001" not in path.read_text()


async def test_marked_images_are_part_of_what_is_written_down(
    filled: Running, tmp_path: Path
) -> None:
    path = tmp_path / "gallery.audit.jsonl"
    before = len(entries(path))
    for ids in ([], ["p001"], ["p002"], ["p001"]):
        marks = [search_pb.Mark(image=image_pb.QueryImage(gallery_id=id)) for id in ids]
        await filled.search.SearchRegions(asked(marks=marks), timeout=DEADLINE)
    none, first, other, again = (entry["query"] for entry in entries(path)[before:])
    assert len({none, first, other}) == 3 and first == again
    assert "p001" not in path.read_text()
