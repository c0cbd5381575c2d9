"""Settings and fixtures that every test shares."""

from pathlib import Path

import pytest
from hypothesis import settings

# The first call into torch takes long; pytest's timeout already guards against a hang.
settings.register_profile("partlens", deadline=None)
settings.load_profile("partlens")

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real images and weights, which are not redistributable and live elsewhere."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"the real images and weights are not at {REAL_DATA}")
    return REAL_DATA
