"""Settings and fixtures that every test shares."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from object_store import Bucket
    from redis_server import RedisServer
    from served import Served

    from partlens.common.bucket_address import BucketAddress

# The first call into torch takes long; pytest's timeout already guards against a hang.
settings.register_profile("partlens", deadline=None)
settings.load_profile("partlens")

# What users' tests start, for tests of it, of the guide and of the examples.
pytest_plugins = ["partlens.testing.fixtures"]

# pytest-xdist's workers say that they are 80 columns wide, but their output goes to no terminal.
os.environ.pop("COLUMNS", None)

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked long unless they are requested, and tests marked cuda without a GPU."""
    skips = {}
    if os.environ.get("PARTLENS_TEST_LONG") != "1":
        skips["long"] = pytest.mark.skip(reason="long; PARTLENS_TEST_LONG=1 runs it")
    if not _has_gpu():
        skips["cuda"] = pytest.mark.skip(reason="no NVIDIA GPU, or no faiss-gpu to use it")
    for item in items:
        for marker, skip in skips.items():
            if item.get_closest_marker(marker):
                item.add_marker(skip)


def _has_gpu() -> bool:
    # Load FAISS only if there may be a GPU, since loading takes long.
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return False
    import faiss

    return bool(getattr(faiss, "get_num_gpus", lambda: 0)())


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real images and weights, which are not redistributable."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"the real images and weights are not at {REAL_DATA}")
    return REAL_DATA


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Served"]:
    """A running server with 30 pictures in its gallery; tests remove the pictures that they add."""
    from served import serving  # loads torch, which most runs of a few tests do without

    with serving(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a running S3-compatible store; each test uses names of its own."""
    from object_store import running_store

    with running_store(tmp_path_factory.mktemp("store")) as url:
        yield url


@pytest.fixture
def store_variables(
    object_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The variables that lead this process and its children to the store."""
    from object_store import environment

    variables = environment(object_store, tmp_path / "scratch")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def address(store_variables: dict[str, str]) -> "BucketAddress":
    """An address in a bucket at which there is nothing; the environment leads to its store."""
    from object_store import BUCKET

    from partlens.common.bucket_address import BucketAddress

    return BucketAddress(BUCKET, f"{secrets.token_hex(8)}/gallery")


@pytest.fixture
def bucket(store_variables: dict[str, str]) -> "Bucket":
    """An empty bucket; the environment leads to its store."""
    from object_store import Bucket, make_bucket

    made = Bucket(store_variables["AWS_ENDPOINT_URL"], f"archive-{secrets.token_hex(8)}")
    make_bucket(made.url, made.name)
    return made


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator["RedisServer"]:
    """A running Redis; each test uses a prefix of its own."""
    from redis_server import running_redis

    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server
