"""A clock that moves only when a test says so: a benchmark's figures are then exact."""

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class Clock:
    """Seconds since the test began, the same for wall and processor time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
        """Replace the clock of a module until the test ends."""
        self._monkeypatch, self._now = monkeypatch, 0.0
        read = SimpleNamespace(perf_counter=lambda: self._now, process_time=lambda: self._now)
        monkeypatch.setattr(module, "time", read)

    def charge(
        self, owner: object, name: str, seconds: Callable[..., float] = lambda *_, **__: 1.0
    ) -> None:
        """Add seconds to the clock at each call of a function, which still does its work."""
        done = getattr(owner, name)

        def charged(*arguments: Any, **named: Any) -> Any:
            self._now += seconds(*arguments, **named)
            return done(*arguments, **named)

        self._monkeypatch.setattr(owner, name, charged)
