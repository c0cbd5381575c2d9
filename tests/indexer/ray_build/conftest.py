"""A Ray cluster of this machine."""

import logging
import shutil
import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[str]:
    """The address of a Ray cluster that this process is connected to."""
    from partlens.indexer.ray_build.environment import prepare

    prepare(own_cluster=False)
    import ray

    # Names of sockets must be short.
    folder = tempfile.mkdtemp(prefix="plr-", dir="/tmp")
    try:
        ray.init(
            address="local",
            num_cpus=2,
            object_store_memory=200 * 2**20,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=folder,
        )
        yield str(ray.get_runtime_context().gcs_address)
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
