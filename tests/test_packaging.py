"""All parts share the namespace package partlens, and a wheel holds them and nothing else."""

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from served import Served, picture

ROOT = Path(__file__).parents[1]
PARTS = ("proto", "common", "explainer", "indexer", "server", "client")
EXTRAS = (
    "cli",
    "heic",
    "explainer",
    "indexer",
    "ingest",
    "server",
    "faiss-cpu",
    "faiss-gpu",
    "huggingface",
    "train",
    "evaluation",
    "video",
    "bridge",
)


def test_no_part_claims_the_namespace_for_itself() -> None:
    """One partlens/__init__.py would hide every other part (PEP 420)."""
    assert (ROOT / "explainer/partlens/explainer/__init__.py").exists()
    assert not list(ROOT.glob("*/partlens/__init__.py"))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution, as who publishes it would."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    (built,) = out.glob("*.whl")
    assert list(out.glob("*.tar.gz"))
    return built


def run(*command: object, code: int = 0) -> str:
    """What a command prints; its exit status is the one given."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_wheel_holds_all_parts_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        declared = opened.read(metadata).decode()
    held = {name for name in names if ".dist-info/" not in name}
    assert held == {
        path.relative_to(ROOT / part).as_posix()
        for part in PARTS
        for path in (ROOT / part / "partlens").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    model = [name for name in held if "/starter/model/" in name]
    assert any(name.endswith("backbone.onnx") for name in model)
    assert any(name.endswith("templates/search.html.j2") for name in held)
    for extra in EXTRAS:
        assert f"Provides-Extra: {extra}" in declared


ASK = """
import sys
from pathlib import Path
from partlens.client import Box, Client, QueryRegion
with Client(sys.argv[1]) as client:
    picture, region = Path(sys.argv[2]).read_bytes(), QueryRegion(Box(0, 0, 20, 20))
    found = client.search_regions([picture], [region])
print(len(found.hits), "hits")
for name in ("torch", "faiss", "lance", "onnxruntime"):
    try:
        __import__(name)
    except ImportError:
        print("no", name)
"""


@pytest.mark.long
@pytest.mark.timeout(500)
def test_the_base_install_is_a_client_that_says_what_more_needs(
    wheel: Path, served: Served, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    run(programs / "python", "-m", "pip", "install", "--quiet", wheel)
    query = tmp_path / "query.png"
    query.write_bytes(picture(1))
    asked = run(programs / "python", "-c", ASK, served.target, query)
    assert 'pip install "partlens[cli]"' in run(programs / "partlens", "--help", code=1)
    run(programs / "python", "-m", "pip", "install", "--quiet", f"{wheel}[cli]")
    assert "20 hits" in asked
    for name in ("torch", "faiss", "lance", "onnxruntime"):
        assert f"no {name}" in asked
    page = tmp_path / "page.html"
    search = ("search", query, "--region", "0,0,20,20", "--server", served.target)
    assert "report: file://" in run(programs / "partlens", *search, "--report", page)
    assert page.stat().st_size > 10_000
    lacking = run(programs / "partlens", "index", "status", "gallery", code=1)
    assert 'pip install "partlens[indexer,faiss-cpu]"' in lacking
    complaints = run(programs / "partlens", "doctor", code=1)
    assert 'torch is not installed: pip install "partlens[server]"' in complaints
    assert "neither faiss-cpu nor faiss-gpu is installed" in complaints
    assert "Traceback" not in lacking + complaints


@pytest.mark.long
@pytest.mark.timeout(500)
def test_a_machine_that_feeds_a_server_needs_no_torch(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    run(programs / "python", "-m", "pip", "install", "--quiet", f"{wheel}[bridge]")
    installed = run(programs / "python", "-m", "pip", "list")
    assert not {"torch", "pylance", "onnxruntime"} & set(installed.split())
    nowhere = ("--set", "redis.url=redis://127.0.0.1:1/0")
    assert "Redis does not answer" in run(
        programs / "partlens", "ingest", "status", *nowhere, code=1
    )
    bridge = run(programs / "partlens", "bridge", "frigate", "--help")
    assert "Usage: partlens bridge frigate" in bridge
    assert "[ingest]" in run(programs / "partlens", "config", "show")


def test_a_tool_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    for tool in ("bash", "id"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    asked = ["bash", str(ROOT / "scripts/need"), "npm", "npm", "pyright"]
    done = subprocess.run(
        asked, env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "skipped: pyright needs npm (apt-get install npm)\n"
    (tmp_path / "npm").symlink_to(str(shutil.which("true")))
    assert (
        subprocess.run(asked, env={"PATH": str(tmp_path)}, timeout=60, check=True).returncode == 0
    )
