"""Settings and fixtures that every test shares."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from served import Served

# The first call into torch takes long; pytest's timeout already guards against a hang.
settings.register_profile("partlens", deadline=None)
settings.load_profile("partlens")

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked long, unless it is asked for."""
    if os.environ.get("PARTLENS_TEST_LONG") != "1":
        skip = pytest.mark.skip(reason="long; PARTLENS_TEST_LONG=1 runs it")
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real images and weights, which are not redistributable and live elsewhere."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"the real images and weights are not at {REAL_DATA}")
    return REAL_DATA


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Served"]:
    """A running server with 30 pictures in its gallery; who adds some takes them out again."""
    from served import serving  # loads torch, which most runs of a few tests do without

    with serving(tmp_path_factory.mktemp("served")) as running:
        yield running
