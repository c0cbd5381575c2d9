"""Completion: right for every command, and without importing any of them."""

import os
import shutil
import subprocess
import sys

import click
import pytest
from click.shell_completion import get_completion_class
from click.testing import CliRunner

from partlens.cli.completion import VARIABLE
from partlens.cli.main import main
from partlens.cli.table import COMMANDS

HEAVY = ("torch", "faiss", "lance", "numpy", "grpc", "rich", "PIL")
CODE = f"""
import sys
from partlens.cli.__main__ import main
try:
    main()
finally:
    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""


def completed(*words: str) -> list[str]:
    """What a shell is told after these words, the last of which is being typed."""
    asked = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, **asked, VARIABLE: "bash_complete"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and done.stderr.strip() == "[]", done.stderr
    return done.stdout.splitlines()


def test_every_command_is_completed() -> None:
    assert completed("partlens", "") == [f"plain,{name}" for name in sorted(COMMANDS)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("index", "re"), ["plain,reduce", "plain,reindex", "plain,restore", "plain,retain"]),
        (("search", "a.png", "--score", "w"), ["plain,whole"]),
        (("search", "--region", "1,1,2,2", "--regi"), ["plain,--region"]),
        (("index", "add", "g", "photos", "--device", ""), ["plain,cpu", "plain,cuda"]),
        (("index", "create", ""), ["file,"]),
        (("images", "add", ""), ["file,"]),
        (("maps", ""), ["dir,"]),
        (("search", "--json", "--tl"), ["plain,--tls"]),
    ],
)
def test_options_values_and_files_are_completed(
    words: tuple[str, ...], expected: list[str]
) -> None:
    assert completed("partlens", *words) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_that_of_the_shell_unchanged(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    kind = get_completion_class(shell)
    assert kind is not None
    source = kind(click.Command("partlens"), {}, "partlens", VARIABLE).source()
    assert result.exit_code == 0 and result.stdout == f"{source}\n"
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=result.stdout, text=True, timeout=60, check=True)
