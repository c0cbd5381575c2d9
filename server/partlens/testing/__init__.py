"""A real server in your test's process, with a small gallery of generated people.

`running_server` is a context manager. For pytest, `pytest_plugins = ["partlens.testing.fixtures"]`
in conftest.py adds the fixture `partlens_server`. Needs the extras server and faiss-cpu.

Names are imported when they are first used, so that the plugin loads torch only for tests that use
the fixture.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from partlens.testing.people import TestImage
    from partlens.testing.server import RunningServer, running_server

_MODULES = {
    "RunningServer": "partlens.testing.server",
    "TestImage": "partlens.testing.people",
    "running_server": "partlens.testing.server",
}

__all__ = ["RunningServer", "TestImage", "running_server"]


def __getattr__(name: str) -> object:
    if (module := _MODULES.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module), name)
