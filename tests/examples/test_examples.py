"""The examples run as they are."""

import ast
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from partlens.client import Client, Metadata, Upload
from partlens.explainer import MetricModel
from partlens.explainer.starter import model_folder
from partlens.testing import RunningServer, TestImage, running_server

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 60.0


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """A server of their own, as they change the gallery."""
    with running_server(8) as running:
        yield running


@pytest.fixture(scope="module")
def person(server: RunningServer) -> TestImage:
    return next(one for one in server.images if "hat" in one.parts)


def started(example: str, *arguments: str | Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(EXAMPLES / example), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
    )


def output(process: "subprocess.Popen[str]") -> str:
    try:
        text, _ = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0, text
    return text


def box(image: TestImage) -> str:
    hat = image.parts["hat"]
    return f"{hat.x},{hat.y},{hat.width},{hat.height}"


def test_every_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for file in EXAMPLES.rglob("*.*"):
        if file.name != "README.md" and "__pycache__" not in file.parts:
            assert f"]({file.relative_to(EXAMPLES)})" in listed, file


def test_the_notebook_runs_cell_by_cell() -> None:
    notebook = json.loads((EXAMPLES / "people.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    names: dict[str, object] = {}
    shown = []
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        assert not cell["outputs"] and cell["execution_count"] is None
        body = ast.parse("".join(cell["source"]), f"cell {number}").body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), f"cell {number}", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)
            drawn = getattr(value, "_repr_html_", None)
            shown.append(drawn() if drawn else repr(value))
    assert sum("data:image/png" in one for one in shown) == 4
    assert any("<table" in one for one in shown)


def test_a_folder_is_watched_and_nothing_is_sent_twice(
    server: RunningServer, person: TestImage, tmp_path: Path
) -> None:
    shutil.copy(person.path, tmp_path / "first.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    options = (tmp_path, "--server", server.target, "--camera", "door", "--every", "0.1")
    first = output(started("watch_folder.py", *options, "--looks", "2"))
    assert "first.jpg committed" in first and "broken.jpg refused: " in first
    shutil.copy(server.images[0].path, tmp_path / "second.jpg")
    again = output(started("watch_folder.py", *options, "--looks", "2"))
    assert "second.jpg committed" in again and "first.jpg" not in again
    with server.client() as client:
        image, _ = client.get_image("first.jpg")
        assert image.metadata.camera == "door" and image.metadata.captured_at is not None
        client.delete_images(["first.jpg", "second.jpg"])


def test_an_alert_reports_each_match_once(
    server: RunningServer, person: TestImage, tmp_path: Path
) -> None:
    options = (person.path, "--box", box(person), "--threshold", "0.9", "--camera", "door",
               "--server", server.target, "--out", tmp_path, "--matches", "1")  # fmt: skip
    with server.client() as client:
        for number in range(2):
            watching = started("alert.py", *options)
            wait_for_query(client, watching)
            client.upsert_image(seen(person, f"door/{number}"))
            text = output(watching)
            assert text.count("alert: ") == 1 and f"door/{number}, score" in text, text
            assert (tmp_path / f"door_{number}.png").read_bytes().startswith(b"\x89PNG")
        (saved,) = client.list_standing_queries()  # the second run took up the first one's
        client.delete_standing_query(saved.id)
        client.delete_images(["door/0", "door/1"])


def seen(person: TestImage, id: str) -> Upload:
    return Upload(id, person.path, metadata=Metadata("door"))


def wait_for_query(client: Client, process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + SECONDS
    while not client.list_standing_queries():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)


def test_an_explanation_without_a_server_ranks_by_what_the_part_adds(
    server: RunningServer, person: TestImage, tmp_path: Path
) -> None:
    for image in server.images[:3]:
        shutil.copy(image.path, tmp_path)
    text = output(started("explain_offline.py", person.path, tmp_path, "--box",
                          box(person), "--out", tmp_path, "--top", "3"))  # fmt: skip
    model, hat = MetricModel.load(model_folder()), person.parts["hat"]
    expected = {
        path.name: model.explain(person.path, path).partial_map(hat).total
        for path in tmp_path.glob("*.jpg")
    }
    ranked = [line.split() for line in text.splitlines()]
    assert [name for _, name in ranked] == sorted(expected, key=lambda name: -expected[name])
    assert all(abs(float(total) - expected[name]) < 1e-4 for total, name in ranked)
    assert len(list(tmp_path.glob("*.png"))) == len(expected) == 3
