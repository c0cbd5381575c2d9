"""The log of a process."""

import logging
import warnings
from collections.abc import Callable

import pytest

from partlens.runtime import logs
from partlens.runtime.config.sections import ObserveSection


def test_warnings_about_pictures_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str | tuple[str, type[Warning], int], int] = {}
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    level = root.level
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logs.configure(ObserveSection())
        for number in range(100):
            warnings.warn_explicit(f"tag {number}", UserWarning, "f", 1, "PIL.TiffTags", kept)
    root.setLevel(level)
    assert len(kept) <= 1  # Python notes which version of the filters it has seen


@pytest.mark.parametrize("form", [logs.json_formatter, logs.text_formatter])
def test_a_line_neither_commands_a_terminal_nor_shows_a_secret(
    form: Callable[[], logging.Formatter],
) -> None:
    text = "camera \x1b[2J\x9b at http://u:hidden@h/?token=hidden sent b'Bearer hidden'"
    record = logging.LogRecord("n", logging.INFO, "f", 1, "%s", (text,), None)
    line = form().format(record)
    assert line.isprintable() and "hidden" not in line and "http://***@h/?token=***" in line
