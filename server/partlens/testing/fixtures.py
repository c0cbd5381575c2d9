"""A pytest plugin: `pytest_plugins = ["partlens.testing.fixtures"]` in conftest.py."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from partlens.testing.server import RunningServer


@pytest.fixture(scope="session")
def partlens_server() -> Iterator["RunningServer"]:
    """A running server with 24 generated people in its gallery, shared by all tests."""
    from partlens.testing.server import running_server

    with running_server() as running:
        yield running
