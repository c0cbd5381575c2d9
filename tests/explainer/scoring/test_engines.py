"""What scores images: chosen, loaded when it is wanted, and kept between processes."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from partlens.explainer.errors import EngineError
from partlens.explainer.scoring.engines import ENGINE, make_scorer, warm
from partlens.explainer.scoring.kernel import kept

DEADLINE = 290
"""Seconds; compiling takes ten of a processor that has nothing else to do."""
WARM = "import logging; logging.basicConfig(level='INFO'); from partlens.explainer.scoring import *"
COMPILED, MADE_AGAIN = "compiled the scoring kernel", "is made again"


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    """In place of the conftest's: nothing is asked for."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the kernel is kept: only here, as if the installed package were read-only."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "bytecode"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path / "partlens"


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def test_nothing_needs_numba_before_a_search() -> None:
    ran = run(
        "import sys, partlens.explainer, partlens.explainer.scoring\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('numba', 'llvmlite')])"
    )
    assert ran.stdout.strip() == "[]", ran.stderr


def test_without_numba_numpy_scores_and_a_warning_says_why() -> None:
    without = f"import sys; sys.modules['numba'] = None; {WARM}; print(warm())"
    ran = run(without)
    assert ran.stdout.strip() == "numpy"
    assert ran.stderr.count("scored by numpy, which is slower: ModuleNotFoundError") == 1
    asked = run(without, **{ENGINE: "kernel"})
    assert asked.returncode and f"unset {ENGINE}" in asked.stderr, "the kernel was asked for"


def test_an_unknown_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE, "abacus")
    for use in (warm, lambda: make_scorer([], (1, 1))):
        with pytest.raises(EngineError, match='set it to "kernel" or "numpy"'):
            use()


def some_files(folder: Path) -> Path:
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "index").write_bytes(bytes(range(256)) * 8)
    (folder / "sub" / "code").write_bytes(b"\x90" * 3000)
    return folder


def test_what_is_kept_comes_back(tmp_path: Path, cache: Path) -> None:
    folder, name = some_files(tmp_path / "made"), kept.name_of("1.0")
    path = kept.keep(name, folder)
    assert path.parent == cache and path.stat().st_mode & 0o022 == 0
    assert kept.restore(name, tmp_path / "back") == path
    for made in (path for path in folder.rglob("*") if path.is_file()):
        assert (tmp_path / "back" / made.relative_to(folder)).read_bytes() == made.read_bytes()
    assert kept.restore(kept.name_of("1.1"), tmp_path / "other") is None


def change(at: int) -> Callable[[Path], None]:
    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[at % len(content)] ^= 0xFF
        path.write_bytes(content)

    return flip


def put_a_folder_there(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: list[Callable[[Path], object]] = [
    *(change(at) for at in (0, 10, 30, 60, 700, 3000, -1, -10, -30, -60)),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(path.read_bytes()[:-100]),
    lambda path: path.write_bytes(path.read_bytes()[:100]),
    lambda path: path.chmod(0o666),
    put_a_folder_there,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_or_others_could_write_is_never_used(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    folder, name = some_files(tmp_path / "made"), kept.name_of("1.0")
    damage(kept.keep(name, folder))
    assert kept.restore(name, tmp_path / "back") is None
    assert not (tmp_path / "back").exists()


def test_no_byte_of_the_file_may_change(tmp_path: Path) -> None:
    """Even those of the archive's list of files, which no checksum of an archive covers."""
    folder, name = some_files(tmp_path / "made"), kept.name_of("1.0")
    path = kept.keep(name, folder)
    whole = path.read_bytes()
    for at in {*range(100), *range(3000, 3200), *range(len(whole) - 400, len(whole))}:
        path.write_bytes(whole)
        change(at)(path)
        assert kept.restore(name, tmp_path / "back") is None, at


def test_nothing_is_kept_where_nothing_can_be(tmp_path: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(OSError):
        kept.keep(kept.name_of("1.0"), some_files(tmp_path / "made"))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_kernel_is_compiled_once_whatever_happens_to_its_file(cache: Path) -> None:
    """By several processes at once, then found by the next, then made again as it is damaged."""
    first = [
        subprocess.Popen(
            [sys.executable, "-c", f"{WARM}; assert warm() == 'kernel'"],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    logs = [process.communicate(timeout=DEADLINE)[1] for process in first]
    assert [process.returncode for process in first] == [0, 0, 0], logs
    (path,) = cache.iterdir()
    assert zipfile.ZipFile(path).testzip() is None
    found = run(f"{WARM}; print(warm())")
    assert found.stdout.strip() == "kernel" and COMPILED not in found.stderr
    change(path.stat().st_size // 2)(path)
    again = run(f"{WARM}; print(warm())")
    assert again.stdout.strip() == "kernel"
    assert MADE_AGAIN in again.stderr and COMPILED in again.stderr
    assert COMPILED not in run(f"{WARM}; print(warm())").stderr


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_kernel_runs_where_nothing_can_be_kept(cache: Path) -> None:
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file where the folder should be")
    ran = run(f"{WARM}; print(warm())")
    assert ran.stdout.strip() == "kernel"
    assert "cannot be kept" in ran.stderr and "XDG_CACHE_HOME" in ran.stderr
