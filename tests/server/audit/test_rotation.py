"""One chain over many files, whoever moves them."""

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.server.audit.test_log import entries, opened
from tests.server.audit.test_unwritable import full_disk

from partlens.server.audit.cli import audit
from partlens.server.audit.log import AuditLog
from partlens.server.audit.verification import Verified, verify
from partlens.server.errors import AuditError


async def write(log: AuditLog, count: int) -> None:
    for number in range(count):
        await log.append({"n": number})


def files(path: Path) -> list[Path]:
    return [*sorted(path.parent.glob(f"{path.name}.0*")), path]


async def test_a_log_is_rotated_by_size_and_its_chain_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AuditLog(path, most_bytes=1000)
    log.open()
    await write(log, 40)
    await log.close()
    made = files(path)
    assert len(made) > 3 and all(one.stat().st_size < 1500 for one in made)
    found = verify(path)
    assert found.files == made and not found.incidents
    written = [entry for one in made for entry in entries(one)]
    assert [entry["n"] for entry in written if "n" in entry] == list(range(40))
    assert [entry["entry"] for entry in written] == list(range(1, found.entries + 1))
    assert entries(made[1])[0]["reason"] == "rotated"
    log = opened(path)
    assert await log.append({"n": 40}) == found.entries + 1
    await log.close()
    assert verify(path, (found.entries, found.head)).entries == found.entries + 1


async def rotated(path: Path) -> Verified:
    """Three files with 3 entries each, and the first lines of two of them."""
    log = opened(path)
    for _ in range(3):
        await write(log, 3)
        await log.rotate()
    await write(log, 3)
    await log.close()
    return verify(path)


async def test_files_that_were_put_elsewhere_are_counted_but_not_verified(tmp_path: Path) -> None:
    path = tmp_path / "log"
    whole = await rotated(path)
    files(path)[0].unlink()
    found = verify(path)
    assert (found.entries, found.head, found.missing) == (whole.entries, whole.head, 3)
    assert "entries 1 to 3 are in files" in CliRunner().invoke(audit, ["verify", str(path)]).output
    assert verify(path, (whole.entries, whole.head))
    with pytest.raises(AuditError, match="begins after entry 3; put the files with earlier"):
        verify(path, (2, "0" * 64))


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_a_changed_cut_or_missing_file_of_a_rotation_breaks_the_chain(
    tmp_path: Path, number: int
) -> None:
    path = tmp_path / "log"
    await rotated(path)
    one = files(path)[number]
    whole = one.read_bytes()
    one.write_bytes(whole.replace(b'"n": 1', b'"n": 7'))
    with pytest.raises(AuditError, match=f"{one.name}, line"):
        verify(path)
    one.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    with pytest.raises(AuditError, match="a file is missing, or its end was cut off"):
        verify(path)
    if number:
        one.unlink()
        with pytest.raises(AuditError, match="a file is missing"):
            verify(path)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 10)


def replace(path: Path) -> None:
    """As `sed -i` and editors do."""
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def extend(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"forged\n")


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "moved": (lambda path: path.rename(path.with_name("log.1")), ""),
    "deleted": (Path.unlink, ""),
    "replaced": (replace, ""),
    "truncated": (truncate, "cut off"),
    "written to by another process": (extend, "line 4: this is not a line"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_is_done_to_the_log_of_a_running_server_is_seen(
    tmp_path: Path, change: str
) -> None:
    path, seen = tmp_path / "log", list[str]()
    log = AuditLog(path, continued=seen.append)
    log.open()
    await write(log, 3)
    do, broken = CHANGES[change]
    do(path)
    await log.look()
    assert seen == [change]
    assert await log.append({"n": 3}) == 5
    await log.close()
    assert entries(path)[0]["reason"] == change and entries(path)[1]["n"] == 3
    if broken:
        with pytest.raises(AuditError, match=broken):
            verify(path)
    else:
        found = verify(path)
        assert found.entries == 5 and f"the log was {change}" in found.incidents[0]
        assert found.missing == (3 if change == "deleted" else 0)


async def test_a_log_that_is_missing_at_the_start_goes_on_from_the_files_before(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log"
    whole = await rotated(path)
    path.rename(path.with_name("log-20260102"))
    log = opened(path)
    await log.append({"n": 0})
    await log.close()
    assert verify(path, (whole.entries, whole.head)).entries == whole.entries + 2


async def test_a_rotation_that_the_disk_refuses_leaves_the_log_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    log = AuditLog(path, most_bytes=300)
    log.open()
    await write(log, 3)
    with full_disk(path.with_name(".log.next"), monkeypatch):
        await write(log, 3)
    assert files(path) == [path] and len(entries(path)) == 6
    await write(log, 3)
    await log.close()
    assert len(files(path)) > 1 and verify(path).entries > 9


async def test_only_one_server_writes_it_over_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = opened(path)
    await write(log, 1)
    for _ in range(3):
        await log.rotate()
        with pytest.raises(AuditError, match="another server is writing"):
            opened(path)
    await log.close()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null"), tmp_path):
        with pytest.raises(AuditError, match=r"not a regular file|Is a directory"):
            opened(path)


async def test_verifying_while_it_is_written_and_rotated(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AuditLog(path, most_bytes=500)
    log.open()
    await write(log, 1)
    writing = asyncio.create_task(write(log, 150))
    last = 0
    while not writing.done():
        found = await asyncio.to_thread(verify, path)
        assert found.entries >= last
        last = found.entries
    await writing
    await log.close()
    assert json.loads(path.read_bytes().splitlines()[-1])["n"] == 149
