"""A server of a gallery in a bucket, and who follows it on another machine."""

import json
import time
from contextlib import closing
from pathlib import Path

from bucket_writer import opened
from click.testing import CliRunner
from server_process import process_in
from tests.server.conftest import picture

from partlens.cli.index import index
from partlens.client import Box, Client, QueryRegion, Upload
from partlens.common.bucket_address import BucketAddress
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery.following import Follower

SOON = 20.0


def test_what_a_server_commits_to_a_bucket_is_seen_elsewhere(
    address: BucketAddress, model: MetricModel, tmp_path: Path
) -> None:
    model.save(tmp_path / "model")
    made = CliRunner().invoke(index, ["create", str(address), "--model", str(tmp_path / "model")])
    assert made.exit_code == 0 and str(address) in made.output
    other = opened(address, tmp_path / "elsewhere", 30.0)

    def wait_for(images: int) -> None:
        end = time.monotonic() + SOON
        while len(other.view) != images:
            assert time.monotonic() < end
            time.sleep(0.02)

    options = ("--model", tmp_path / "model", "--gallery", str(address))
    with (
        process_in(tmp_path, *options) as server,
        Client(server.address) as client,
        closing(Follower(other)),
    ):
        for number in range(3):
            names = [f"{number}-{each}" for each in range(4)]
            client.upsert_images(
                [Upload(name, picture(9 * number + each)) for each, name in enumerate(names)]
            )
            wait_for(4 * (number + 1))
        found = client.search_regions([picture(5)], [QueryRegion(Box(4, 2, 25, 20))])
        assert len(found.hits) == 12
        assert all(one.id in other.view for one in found.hits)
        client.delete_images(["0-0"])
        wait_for(11)
    listed = CliRunner().invoke(index, ["status", str(address), "--json"])
    assert json.loads(listed.output)["images"] == 11
