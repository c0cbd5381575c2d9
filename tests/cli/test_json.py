"""`--json` of every command, results on standard output, and nothing else there."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from served import Served, picture, serving
from tests.cli.test_json_heavy import HEAVY

from partlens.cli.main import main
from partlens.client import Client
from partlens.server.audit.chain import Head, encoded, line

WITHOUT: Mapping[str, str] = {
    "bridge frigate": "runs until it is stopped",
    "ingest run": "runs until it is stopped",
    "open": "runs until it is stopped",
    "serve": "runs until it is stopped",
    "completion": "prints a script",
    "config docs": "prints a document",
    "index compact": "prints nothing",
    "standing delete": "prints nothing",
    "standing pause": "prints nothing",
    "standing resume": "prints nothing",
    "standing update": "prints nothing",
}
"""Commands without --json, and why."""

ELSEWHERE = (
    *("bench page", "bench search", "bench score", "bench growth", "bench startup"),
    "bench shares",
    *("gallery alias", "gallery unalias", "ingest status", "report verify", "standing watch"),
    *("ingest dead drop", "ingest dead list", "ingest dead retry", "ingest dead show"),
    "index build",
)
"""Commands that need minutes or another service; their own tests run them."""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that is not a group, with its path."""

    def below(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
        if not isinstance(command, click.Group):
            yield path, command
            return
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            if (one := command.get_command(context, name)) is not None:
                yield from below(one, f"{path} {name}".strip())

    return below(main, "")


@dataclass(frozen=True)
class Ready:
    """A server, and files for commands that need none."""

    served: Served
    folder: Path


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "photos").mkdir()
    for i in range(3):
        (folder / f"photos/{i}.png").write_bytes(picture(i))
    (folder / "photos/bad.jpg").write_text("not a picture")
    text, _ = line(encoded({"method": "SearchRegions"}), Head())
    (folder / "audit").write_bytes(text)
    with serving(tmp_path_factory.mktemp("served")) as served:
        yield Ready(served, folder)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


def test_every_command_that_prints_a_result_has_json() -> None:
    having = {path for path, one in commands() if any("--json" in of.opts for of in one.params)}
    assert {path for path, _ in commands()} - having == {
        path for path, _ in commands() if path in WITHOUT
    }
    assert all(one.help for path, one in commands())


def test_json_is_all_that_standard_output_has(ready: Ready) -> None:
    model, folder = ready.served.model, ready.folder
    server = ("--server", ready.served.target)
    gallery, query = folder / "gallery", folder / "photos/1.png"
    tokens = ("--tokens", folder / "tokens.json")
    region = ("--region", "5,5,10,10")
    asked = [
        ("index create", gallery, "--model", model),
        ("index add", gallery, folder / "photos", "--model", model),
        ("index list", gallery),
        ("index status", gallery),
        ("index verify", gallery),
        ("index create", folder / "copy", "--model", model),
        ("index copy", gallery, folder / "copy", "--model", model),
        ("index delete", gallery, "photos/0.png", "nobody"),
        ("index retain", gallery, "--keep", "1d"),
        ("index retain", gallery, "--keep", "1d", "--receipt", folder / "none.json"),
        ("index erase", gallery, "--id", "photos/1.png", "--receipt", folder / "receipt.json"),
        ("index plan", "--images", 1000),
        ("bench fanout", "--shards", "1,2", "--queries", 100),
        ("bench scale", "--images", 10_000, "--queries", 100),
        ("model show", model),
        ("starter where",),
        ("starter pictures", "--count", 1, "--out", folder / "drawn"),
        ("token create", "gate", "--scope", "search", *tokens),
        ("token list", *tokens),
        ("config show",),
        ("doctor",),
        ("audit verify", folder / "audit"),
        ("health", *server),
        ("gallery list", *server),
        ("images list", *server),
        ("images count", *server),
        ("images add", query, folder / "photos/bad.jpg", *server),
        ("images update", "photos/1.png", "--camera", "x", *server),
        ("search", query, *region, *server),
        ("search", query, *region, "--camera", "nowhere", *server),
        ("explain", query, query, *region, *server),
        ("report search", query, *region, "--out", folder / "a.html", *server),
        ("report pair", query, query, *region, "--out", folder / "b.html", *server),
        ("standing create", query, *region, "--name", "n", "--threshold", 1, *server),
        ("standing list", *server),
    ]  # fmt: skip
    for path, *arguments in asked:
        result = run(*str(path).split(), *arguments, "--json")
        assert result.exit_code in (0, 1 if path == "doctor" else 0), (path, result.output)
        assert result.stdout, path
        for document in result.stdout.splitlines():
            json.loads(document)
        if path not in ("index list", "images list", "gallery list"):
            assert len(result.stdout.splitlines()) == 1, path
    id = json.loads(run("token", "list", "--json", *tokens).stdout)[0]["id"]
    assert json.loads(run("token", "revoke", id, "--json", *tokens).stdout)["id"] == id
    tried = {str(path) for path, *_ in asked} | {"token revoke"}
    tried |= {*ELSEWHERE, *HEAVY, *WITHOUT}
    assert {path for path, _ in commands()} <= tried
    with Client(ready.served.target) as client:
        client.delete_images(["photos/1.png"])


def test_settings_as_json_hide_what_is_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTLENS__STANDING__WEBHOOK", "https://h/hooks?token=hidden")
    shown = json.loads(run("config", "show", "--json").stdout)
    assert shown["standing.webhook"]["origin"] == "environment"
    assert shown["server.listen"] == {"value": "127.0.0.1:50051", "origin": "default"}
    assert "hidden" not in json.dumps(shown)


def test_progress_and_logs_are_on_standard_error_only(ready: Ready) -> None:
    gallery = ready.folder / "watched"
    run("index", "create", gallery, "--model", ready.served.model)
    added = run("index", "add", gallery, ready.folder / "photos", "--model", ready.served.model)
    assert added.stdout.startswith("3 added") and len(added.stdout.splitlines()) == 1
    assert '"done": 4' in added.stderr and "skipped photos/bad.jpg" in added.stderr


def test_no_colour_is_printed_without_a_terminal_or_with_no_color(ready: Ready) -> None:
    query, server = ready.folder / "photos/1.png", ready.served.target
    asked = ["search", str(query), "--region", "5,5,10,10", "--server", server]
    for settings in ({"NO_COLOR": "1", "FORCE_COLOR": None}, {"NO_COLOR": None}):
        result = CliRunner().invoke(main, asked, env={"TERM": "xterm-256color", **settings})
        assert result.exit_code == 0 and "\x1b" not in result.stdout
