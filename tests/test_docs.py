"""The documents say what is there: commands, options, methods, reasons, limits, examples."""

import re
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image
from served import Served, picture

from partlens.cli.main import main
from partlens.client import Client
from partlens.server.calls.status import RULES
from partlens.v1 import (
    gallery_service_pb2,
    part_search_service_pb2,
    report_service_pb2,
    standing_query_service_pb2,
)

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])
API = (ROOT / "docs/api.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def shell_lines(text: str) -> list[str]:
    """Commands that a page tells to run: indented or fenced lines, and inline code."""
    fenced = [
        line for kind, block in FENCE.findall(text) if kind == "sh" for line in block.split("\n")
    ]
    text = FENCE.sub("", text)
    indented = [line.strip() for line in text.split("\n") if line.startswith("    ")]
    inline = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]
    return [
        line for line in (*fenced, *indented, *inline) if line.startswith(("partlens ", "scripts/"))
    ]


def require_command(line: str) -> None:
    """Fails if `partlens ...` names a command or an option that is not there."""
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = main
    context = click.Context(main, info_name="partlens")
    while words and words[0] != "--help" and isinstance(command, click.Group):
        below = command.get_command(context, words[0])
        assert below is not None and below.short_help != "(not installed)", f"{line}: no {words[0]}"
        command, words = below, words[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    known = {option for param in command.get_params(context) for option in param.opts}
    for word in words:
        option = word.partition("=")[0]
        assert not option.startswith("--") or option in known, f"{line}: no option {option}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_that_a_page_names_are_there(page: Path) -> None:
    for line in shell_lines(page.read_text(encoding="utf-8")):
        if line.startswith("scripts/"):
            assert (ROOT / line.split()[0]).exists(), line
        else:
            require_command(line)


def test_a_command_that_is_not_there_is_found() -> None:
    for wrong in ("partlens serch a.jpg", "partlens search a.jpg --regoin 1,2,3,4"):
        with pytest.raises(AssertionError, match="no "):
            require_command(wrong)


def anchors(page: Path) -> set[str]:
    """What a link to a heading of a page may name, as GitHub derives it."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith("https://"):
            file, _, heading = target.partition("#")
            there = page.parent / file if file else page
            assert there.exists(), target
            assert not heading or heading in anchors(there), target


def test_every_method_of_the_contract_has_its_heading() -> None:
    headings = re.findall(r"^#+ (.+)$", API, re.MULTILINE)
    for module in (
        gallery_service_pb2,
        part_search_service_pb2,
        report_service_pb2,
        standing_query_service_pb2,
    ):
        for service in module.DESCRIPTOR.services_by_name.values():
            assert service.name in headings
            for method in service.methods:
                assert method.name in headings, method.full_name


def test_every_reason_of_an_error_has_its_row() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "server/partlens/server").rglob("*.py"))
    reasons = set(re.findall(r'"([A-Z]+_(?:INVALID|UNKNOWN|STALE))"', code))
    reasons |= {rule.reason for _, rule in RULES if rule.reason}
    assert len(reasons) > 10
    for reason in reasons:
        assert f"| `{reason}` |" in API, reason


def test_the_limits_that_a_server_names_are_those_of_the_page(served: Served) -> None:
    with Client(served.target) as client:
        limits = vars(client.get_gallery().limits)
    table = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", API, re.MULTILINE))
    assert {key: int(value) for key, value in table.items()} == limits


def test_versions_agree() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    released = re.findall(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert declared == released[0] == version("partlens")


# The examples of docs/python.md follow each other: tests/client/test_guide.py runs them.
PYTHON = [
    block
    for page in PAGES
    if page.name != "python.md"
    for kind, block in FENCE.findall(page.read_text(encoding="utf-8"))
    if kind == "python"
]


@pytest.mark.parametrize("example", PYTHON, ids=range(len(PYTHON)))
def test_examples_run(
    example: str, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, file in enumerate(("query.jpg", "a.jpg", "b.jpg")):
        Path(file).write_bytes(picture(number, 105, 210))
    exec(example.replace("127.0.0.1:50051", served.target), {})


def test_every_figure_is_shown_and_is_what_the_script_draws(tmp_path: Path) -> None:
    figures = sorted((ROOT / "docs/figures").glob("*.jpg"))
    page = (ROOT / "docs/figures.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\]\(figures/(\w+)\.jpg\)", page)) == [path.stem for path in figures]
    # The others take minutes, or draw the same maps.
    command = [
        sys.executable,
        "scripts/draw_figures.py",
        "partial",
        "regions",
        "--out",
        str(tmp_path),
    ]
    subprocess.run(command, cwd=ROOT, check=True, timeout=100)
    for name in ("partial.jpg", "regions.jpg"):
        ours, drawn = (
            np.asarray(Image.open(folder / name), np.float64)
            for folder in (ROOT / "docs/figures", tmp_path)
        )
        # Another kind of machine may round otherwise, by less than an eye can see.
        assert np.abs(ours - drawn).mean() < 1
