"""The import contracts of pyproject.toml cover every module."""

import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PARTS = ("proto", "common", "explainer", "indexer", "server", "client")


def test_the_contracts_see_every_module() -> None:
    """A folder without __init__.py below one that has it is invisible to import-linter."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    seen = grimp.build_graph(*settings["root_packages"], cache_dir=None).modules
    files = {
        ".".join(path.relative_to(ROOT / part).with_suffix("").parts).removesuffix(".__init__")
        for part in PARTS
        for path in (ROOT / part / "partlens").rglob("*.py")
    }
    assert files - seen == set()
