"""A clock that moves only when a test says so: what a benchmark makes of its times, to the digit."""

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class Clock:
    """Seconds since the test began, both of the wall and of the processor."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
        """The clock of this module from now on."""
        self._monkeypatch, self._now = monkeypatch, 0.0
        read = SimpleNamespace(perf_counter=lambda: self._now, process_time=lambda: self._now)
        monkeypatch.setattr(module, "time", read)

    def charge(
        self, owner: object, name: str, seconds: Callable[..., float] = lambda *_, **__: 1.0
    ) -> None:
        """Let each call of a function, which stays as it is, take so long by this clock."""
        done = getattr(owner, name)

        def charged(*arguments: Any, **named: Any) -> Any:
            self._now += seconds(*arguments, **named)
            return done(*arguments, **named)

        self._monkeypatch.setattr(owner, name, charged)
