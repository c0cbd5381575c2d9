"""Every hint at what to install has one form, and names extras that exist."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# A package's own name, the folder of a clone, or what the helper fills in.
HINT = re.compile(r'pip install "(?:partlens|\.)\[([\w,-]+)\]"')
OTHER_FORM = re.compile(r"""partlens\[|pip install\s+(?!--)(?:'|"?\.\[|[\w.-]*\[)""")
TOLD = ("client", "common", "explainer", "indexer", "server", "docs", "README.md", "examples")


def texts() -> dict[str, str]:
    listed = subprocess.run(
        ["git", "ls-files", *TOLD], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    wanted = [name for name in listed if name.endswith((".py", ".md")) and (ROOT / name).is_file()]
    return {name: (ROOT / name).read_text() for name in wanted}


def test_hints_have_one_form_and_name_extras_that_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    hints = 0
    for name, text in texts().items():
        found = HINT.findall(text) + re.findall(r"pip_install\(['\"]([\w,-]+)['\"]\)", text)
        unknown = {one for extra in found for one in extra.split(",")} - set(extras)
        assert not unknown, f"{name} names {unknown}"
        hints += len(found)
        # What is left once the good hints are cut out.
        rest = HINT.sub("", text).replace('pip install "partlens[{extra}]"', "")
        wrong = OTHER_FORM.search(rest)
        if name != "common/partlens/common/installing.py":
            assert wrong is None, f"{name}: {rest[wrong.start() : wrong.start() + 60]!r}"
    assert hints > 15


@pytest.mark.parametrize(
    "text", ["pip install 'partlens[server]'", "pip install partlens[server]", "partlens[heic]"]
)
def test_another_form_is_noticed(text: str) -> None:
    assert OTHER_FORM.search(HINT.sub("", text))
