"""There is one client, in two forms: the blocking one is written from the asyncio one."""

import inspect
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from partlens.client import AsyncClient, Client

ROOT = Path(__file__).parents[2]
SCRIPT, CLIENT = "scripts/write_sync_client.py", "client/partlens/client"
PART = "asynchronous/images.py"
# What an asynchronous client takes as well.
SOURCE = " | collections.abc.AsyncIterable[partlens.client.questions.Upload]"


def methods(kind: type) -> dict[str, Callable[..., Any]]:
    members = inspect.getmembers(kind, inspect.isfunction)
    return {name: one for name, one in members if not name.startswith("_")}


def signature(method: Callable[..., Any]) -> str:
    text = str(inspect.signature(method))
    return text.replace(SOURCE, "").replace("AsyncIterator", "Iterator")


def test_both_clients_have_the_same_methods() -> None:
    theirs, ours = methods(AsyncClient), methods(Client)
    assert list(theirs) == list(ours) and len(ours) > 10
    for name, method in theirs.items():
        assert signature(method) == signature(ours[name]), name
        assert method.__doc__ == ours[name].__doc__, name
        # Every method is either awaited or iterated over.
        waits = inspect.iscoroutinefunction(method)
        assert waits != ("AsyncIterator" in str(inspect.signature(method))), name
        assert not inspect.iscoroutinefunction(ours[name]), name


def written(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_blocking_client_is_what_the_script_writes() -> None:
    done = written(ROOT, "--check")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the script and its sources."""
    for part in (Path(SCRIPT).parent, CLIENT):
        (tmp_path / part).mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / SCRIPT, tmp_path / SCRIPT)
    shutil.copy(ROOT / CLIENT / "async_client.py", tmp_path / CLIENT)
    parts = Path(CLIENT, PART).parent
    shutil.copytree(ROOT / parts, tmp_path / parts, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def modules(root: Path) -> dict[str, str]:
    """The text of every module of the blocking client, by its path."""
    paths = [root / CLIENT / "sync_client.py", *(root / CLIENT / "blocking").glob("*.py")]
    return {str(path.relative_to(root)): path.read_text() for path in paths}


def test_a_change_of_one_client_alone_is_found(copied: Path) -> None:
    assert written(copied, "--check").returncode == 1
    assert written(copied).returncode == 0
    assert modules(copied) == modules(ROOT)
    for source, target in (("async_client.py", "sync_client.py"), (PART, "blocking/images.py")):
        with (copied / CLIENT / source).open("a") as file:
            file.write("\n\nasync def more() -> None:\n    await more()\n")
        done = written(copied, "--check")
        assert done.returncode == 1 and "run scripts/generate" in done.stderr
        assert written(copied).returncode == 0
        text = (copied / CLIENT / target).read_text()
        assert "\n\ndef more() -> None:\n    more()\n" in text


def test_a_module_of_one_client_alone_is_found(copied: Path) -> None:
    assert written(copied).returncode == 0
    (copied / CLIENT / PART).unlink()
    done = written(copied, "--check")
    assert done.returncode == 1 and "images.py has no asyncio module" in done.stderr
    assert written(copied).returncode == 0
    assert written(copied, "--check").returncode == 0
    assert not (copied / CLIENT / "blocking/images.py").exists()


def test_asyncio_that_has_no_blocking_form_is_refused(copied: Path) -> None:
    with (copied / CLIENT / "async_client.py").open("a") as file:
        file.write("\n\nLOCK = asyncio.Lock()\n")
    before = written(copied)
    assert before.returncode != 0 and "'asyncio'" in before.stderr
    assert not (copied / CLIENT / "sync_client.py").exists()
