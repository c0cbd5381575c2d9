"""Files that are whole on disk: what is synced, and in which order, and what a refusal leaves."""

import os
import stat
from pathlib import Path

import pytest

from partlens.common.durable import move_into_place, sync_all, write_atomically


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is synced or put in place from now on, in order: names of files and folders."""
    seen, fsync, replace, rename = list[str](), os.fsync, os.replace, os.rename

    def note(handle: int) -> None:
        seen.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name.partition(".tmp")[0])
        fsync(handle)

    def put(old: Path, new: Path) -> None:
        seen.append(f"-> {Path(new).name}")
        (rename if Path(old).is_dir() else replace)(old, new)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(os, "replace", put)
    monkeypatch.setattr(os, "rename", put)
    return seen


def test_a_file_is_on_disk_before_its_name_and_its_name_before_the_call_returns(
    tmp_path: Path, synced: list[str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write_atomically(folder / "tokens.json", "new")
    draft, placed, place = synced
    assert draft.startswith(".tokens.json.") and placed == "-> tokens.json" and place == "folder"
    assert os.listdir(folder) == ["tokens.json"]


def test_a_folder_is_on_disk_before_its_name(tmp_path: Path, synced: list[str]) -> None:
    draft = tmp_path / "draft"
    (draft / "below").mkdir(parents=True)
    for name in ("a", "below/b"):
        (draft / name).write_bytes(b"1")
    move_into_place(draft, tmp_path / "done")
    assert set(synced[:4]) == {"a", "b", "below", "draft"}
    assert synced.index("b") < synced.index("below") < synced.index("draft")
    assert synced[4:] == ["-> done", tmp_path.name]
    assert (tmp_path / "done/below/b").read_bytes() == b"1"


def test_a_refused_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "note"
    write_atomically(path, b"old", mode=0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    with pytest.raises(OSError, match="No space"):
        sync_all(tmp_path)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["note"]
