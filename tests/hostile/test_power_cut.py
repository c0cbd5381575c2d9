"""A gallery after a power cut at each sync: the last acknowledged state, or the one begun."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from gallery_writer import Change
from power_cut import environment, laid_out, moments, recorder
from tests.indexer.gallery.test_kill import require_whole

from partlens.indexer.gallery.verification import verify

SCRIPT = Path(__file__).with_name("record_commits.py")
NOTHING = Change("compact", (), 0)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder of a file system that never gives an inode's number to another file."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("needs /dev/shm: other file systems use the numbers of inodes again")
    made = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_what_was_synced_is_the_last_acknowledged_state(memory: Path, tmp_path: Path) -> None:
    root, log = memory / "disk", tmp_path / "log"
    root.mkdir()
    subprocess.run(
        [sys.executable, SCRIPT, root / "gallery"],
        env=environment(recorder(tmp_path), root, log) | {"PYTHONPATH": "tests/helpers"},
        check=True,
        timeout=120,
    )
    state, count, begun = dict[str, int](), 0, NOTHING
    inode, place = root.stat().st_ino, tmp_path / "after"
    heard = 0
    for disk in moments(log):
        for line in disk.said[heard:]:
            kind, (name, ids, seed) = line[0], json.loads(line[2:])
            change = Change(name, tuple(ids), seed)
            if kind == "B":
                begun = change
            elif name == "add":
                state, begun = {**state, **dict.fromkeys(ids, seed)}, NOTHING
            elif name in ("delete", "erase"):
                state, begun = {id: of for id, of in state.items() if id not in ids}, NOTHING
        heard = len(disk.said)
        if not heard:
            continue  # the gallery is not yet made
        count += 1
        path = laid_out(disk, inode, place) / "gallery"
        require_whole(path, state, begun, f"after sync {count}")
        report = verify(path)
        assert not [one for one in report.findings if not one.repairable], (count, begun, report)
    assert count > 30 and state == {"b": 2, "c": 1, "a": 3, "e": 3, "f": 4}
