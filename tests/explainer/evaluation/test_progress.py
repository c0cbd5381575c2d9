"""Progress of evaluations: a bar on a terminal, nothing elsewhere."""

import io
import sys

import pytest

from partlens.explainer.evaluation.commands.options import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal(), True), (io.StringIO(), False)])
def test_a_bar_shows_on_a_terminal_only(
    stream: io.StringIO, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with progress("images", 7) as report:
        report(3)
        report(7)
    assert ("images" in stream.getvalue() and "7/7" in stream.getvalue()) == shown
    assert shown or not stream.getvalue()
