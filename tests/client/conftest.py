"""One running server for all tests of the client."""

from collections.abc import Iterator

import pytest
from served import Served, serving


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with 30 pictures in its gallery."""
    with serving(tmp_path_factory.mktemp("served")) as running:
        yield running
