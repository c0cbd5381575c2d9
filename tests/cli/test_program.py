"""The program `partlens`: what it lists, what it loads, what it says without a part."""

import os
import signal
import subprocess
import sys
import venv
from pathlib import Path

import click
import pytest

from partlens.cli.commands import Commands
from partlens.cli.main import main
from partlens.cli.table import BENCH, COMMANDS, Row

ROOT = Path(__file__).parents[2]
CLIENT, COMMON = ROOT / "client", ROOT / "common"
HEAVY = ("torch", "faiss", "lance", "onnxruntime", "grpc", "numpy")
ROWS = [(COMMANDS, name) for name in COMMANDS] + [(BENCH, name) for name in BENCH]


@pytest.mark.parametrize(("rows", "name"), ROWS, ids=[name for _, name in ROWS])
def test_the_table_says_what_the_command_says(rows: dict[str, Row], name: str) -> None:
    group = Commands("group", rows, help="")
    command = group.get_command(click.Context(group), name)
    assert command is not None and command.name == name
    assert command.get_short_help_str(200) == rows[name].summary


def test_listing_the_commands_loads_none_of_them() -> None:
    code = (
        "import sys; from partlens.cli.main import main; main(['--help'], standalone_mode=False);"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    listed, loaded = done.stdout.rstrip().rsplit("\n", 1)
    assert loaded == "[]"
    assert all(f"  {name} " in listed for name in COMMANDS)


def test_without_its_libraries_the_program_says_what_to_install(tmp_path: Path) -> None:
    venv.create(tmp_path, with_pip=False, symlinks=True)
    code = f"import sys; sys.path[:0] = {[str(CLIENT), str(COMMON)]!r};"
    code += "from partlens.cli.__main__ import main; main()"
    done = subprocess.run(
        [tmp_path / "bin/python", "-I", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == 'The command line needs the extra `cli`: pip install "partlens[cli]"\n'


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("ingest", "ingest"),
        ("bridge", "bridge"),
        ("config", "ingest"),
        ("token", "server,faiss-cpu"),
    ],
)
def test_a_command_that_is_not_installed_names_its_own_extra(
    name: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = COMMANDS[name].place.partition(":")[0]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(click.ClickException, match="needs packages") as raised:
        main([name], standalone_mode=False)
    assert raised.value.message.endswith(f'pip install "partlens[{extra}]"')


def test_an_unknown_command_is_a_usage_error() -> None:
    with pytest.raises(click.UsageError, match="No such command 'serch'"):
        main(["serch"], standalone_mode=False)


def test_a_full_disk_behind_the_output_is_one_line() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "partlens.cli", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "Error: [Errno 28] No space left on device\n"


def test_what_a_terminal_cannot_show_is_escaped() -> None:
    """As in the tables of a search, which are printed without click."""
    code = "from partlens.cli.__main__ import main\ntry: main()\nfinally: print('caf\\xe9')"
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines()[1] == b"caf\\xe9"


def test_ctrl_c_ends_a_command_that_is_still_being_imported(tmp_path: Path) -> None:
    """Libraries that are interrupted as they are imported may swallow it: here is one that does."""
    (tmp_path / "swallowing.py").write_text(
        "import os, signal\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n"
        "except BaseException:\n    pass\n"
    )
    code = (
        "from partlens.cli.commands import Commands; from partlens.cli.table import Row;"
        "Commands('group', {'serve': Row('Serve.', 'swallowing:serve')}, help='')(['serve'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, timeout=60, capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGINT, done.stderr


@pytest.mark.parametrize("missing", ["pyarrow", "grpc_reflection"])
def test_a_command_that_lacks_a_package_says_what_to_install(missing: str) -> None:
    """Also where the command imports it only when it runs."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None;"
        "from partlens.cli.main import main; main(['open', '.'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert 'Install them with: pip install "partlens[server,faiss-cpu]"' in done.stderr
