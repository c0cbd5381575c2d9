"""Exit codes: one table, every error of it exists, and commands end with them."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from redis_server import free_port
from served import Served, picture, serving

from partlens.cli.commands import Commands
from partlens.cli.exit_codes import EXIT_CODES, code_of, markdown
from partlens.cli.main import main
from partlens.client import errors as client_errors

DOCS = Path(__file__).parents[2] / "docs"
NAMED = [(code, name) for code, meaning in EXIT_CODES.items() for name in meaning.errors]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as running:
        yield running


def kind_of(name: str) -> type[BaseException]:
    module, _, attribute = name.partition(":")
    kind: type[BaseException] = getattr(import_module(module), attribute)
    return kind


@pytest.mark.parametrize(("code", "name"), NAMED)
def test_every_error_of_the_table_ends_a_command_with_its_code(code: int, name: str) -> None:
    kind = kind_of(name)
    error = kind.__new__(kind)

    def fail() -> None:
        try:
            raise error
        except kind as cause:
            raise click.ClickException("it failed") from cause

    class Program(Commands):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
            return click.Command("fail", callback=fail)

    assert CliRunner().invoke(Program("partlens", {}, help=""), ["fail"]).exit_code == code


def test_every_error_of_the_client_but_the_general_ones_has_a_code_of_its_own() -> None:
    kinds = [
        kind
        for kind in vars(client_errors).values()
        if isinstance(kind, type) and issubclass(kind, client_errors.ClientError)
    ]
    general = {
        client_errors.ClientError,
        client_errors.ServerError,
        client_errors.MissingLibraryError,
    }
    assert {kind for kind in kinds if code_of(kind.__new__(kind)) == 1} == general


def test_the_documented_codes_are_those_of_the_table() -> None:
    assert markdown() in (DOCS / "command-line.md").read_text(encoding="utf-8")


def test_commands_end_with_the_code_of_what_went_wrong(served: Served, tmp_path: Path) -> None:
    query = tmp_path / "query.png"
    query.write_bytes(picture(3))
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "token").write_text("plt_00000000_wrong")
    token = ("--token-file", tmp_path / "token")
    away, here = f"127.0.0.1:{free_port()}", served.target
    region = ("--region", "5,5,10,10")
    for code, arguments in (
        (0, ("search", query, *region, "--server", here)),
        (0, ("search", query, *region, "--camera", "nowhere", "--server", here)),
        (2, ("search", query, "--region", "nothing", "--server", here)),
        (2, ("search", query, "--serve", here)),
        (3, ("search", query, *region, "--server", away)),
        (3, ("health", "--wait", "0.1", "--server", away)),
        (4, ("search", query, *region, "--server", "192.0.2.1:1", *token)),
        (5, ("search", "--gallery-id", "nobody", *region, "--server", here)),
        (5, ("standing", "delete", "0" * 32, "--server", here)),
        (5, ("index", "status", tmp_path / "nowhere")),
        (6, ("search", tmp_path / "missing.png", *region, "--server", here)),
        (6, ("search", tmp_path / "text.png", *region, "--server", here)),
        (6, ("search", query, "--region", "900,900,5,5", "--server", here)),
        (6, ("model", "show", tmp_path)),
        (6, ("config", "show", "--set", "server.nothing=1")),
        (8, ("index", "create", tmp_path, "--model", served.model)),
    ):  # fmt: skip
        result = CliRunner().invoke(main, [str(one) for one in arguments])
        assert result.exit_code == code, (arguments, result.output)


def test_ctrl_c_ends_a_command_with_130() -> None:
    code = (
        "import os, signal, click, threading, time\n"
        "from partlens.cli.commands import Commands\n"
        "def wait():\n"
        "    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "    time.sleep(60)\n"
        "class Program(Commands):\n"
        "    def get_command(self, ctx, name): return click.Command(name, callback=wait)\n"
        "Program('partlens', {}, help='')(['wait'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], timeout=60, capture_output=True, text=True, check=False
    )
    assert done.returncode == 128 + signal.SIGINT and "interrupted" in done.stderr, done.stderr
