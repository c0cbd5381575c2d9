"""FAISS files with new checksums: no crash, no allocation that a header asks for, no wrong id."""

import os
import subprocess
import sys
from pathlib import Path

LONG = os.environ.get("PARTLENS_TEST_LONG") == "1"
COUNT = 20_000 if LONG else 100
SECONDS = 900 if LONG else 120
SCRIPT = Path(__file__).with_name("changed_indexes.py")


FACTORIES = ("SQfp16", "IVF16,SQ8", "IVF16,RaBitQ", "IVF16,PQ16x4fs")


def test_a_changed_index_is_read_or_refused(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, str(COUNT), *FACTORIES],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert ended.returncode == 0, (ended.stdout.splitlines()[-1:], ended.stderr[-2000:])
    lines = [line.split() for line in ended.stdout.splitlines() if "refused" in line]
    refused = {factory: int(number) for factory, _, number in lines}
    print(f"of {COUNT} changed files of each kind were refused: {refused}")
    # The changes must reach FAISS's parser, and some must not matter.
    assert len(refused) == len(FACTORIES)
    assert all(0 < number < COUNT for number in refused.values())
