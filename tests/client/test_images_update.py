"""`partlens images update` and `--where`, against a real server."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from served import Served, picture

from partlens.cli.main import main
from partlens.client import Client, Filter, Metadata, Upload

IDS = ["u0", "u1", "u2", "it's"]


@pytest.fixture
def run(served: Served) -> Iterator["Run"]:
    with Client(served.target) as client:
        uploads = [
            Upload(id, picture(i), metadata=Metadata("u", attributes={"speed": str(5 * i)}))
            for i, id in enumerate(IDS)
        ]
        assert all(one.committed for one in client.upsert_images(uploads))
        yield Run(served, client)
        client.delete_images(IDS)


class Run:
    """A program and a client of one server."""

    def __init__(self, served: Served, client: Client) -> None:
        self._served, self.client = served, client

    def images(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["images", *arguments, "--server", self._served.target])

    def listed(self, *options: str) -> list[str]:
        result = self.images("list", *options)
        assert result.exit_code == 0, result.output
        return result.stdout.split("\n")[:-1]


def test_a_condition_lists_what_passes(run: Run) -> None:
    assert run.listed("--where", "camera = u and speed >= 10") == ["it's", "u2"]
    assert run.listed("--where", "camera = u", "--where", "speed > 0 and speed < 15") == [
        "u1",
        "u2",
    ]
    assert run.listed("--where", "camera = u and not speed >= 10", "--exclude-id", "u0") == ["u1"]
    assert run.listed("--where", "id in ('it''s', u0) or speed = 10") == ["it's", "u0", "u2"]
    assert run.listed("--camera", "u", "--where", "camera != u") == []
    counted = run.images("count", "--where", "camera = u and speed in (5, 10)", "--json")
    assert json.loads(counted.stdout)["images"] == 2
    wrong = run.images("list", "--where", "speed >= fast")
    assert wrong.exit_code == 2 and "at character 10: 'fast' is not a time" in wrong.output
    unknown = run.images("list", "--where", "sped >= 1")
    assert unknown.exit_code == 1 and "no image has an attribute 'sped'" in unknown.output
    assert "'speed'" in unknown.output


def test_an_update_changes_what_is_given_and_counts(run: Run) -> None:
    done = run.images("update", "u0", "u1", "u0", "--attribute", "hat=red", "--track", "t1")
    assert (done.exit_code, done.stdout) == (0, "2 updated, 0 unchanged\n"), done.output
    again = run.images("update", "u0", "u2", "nobody", "--attribute", "hat=red", "--track", "t1")
    assert again.exit_code == 1 and again.stdout.startswith("1 updated, 1 unchanged")
    assert "no image has the id nobody" in again.output
    found = run.client.list_images(where=Filter(tracks=["t1"]))
    assert {one.id: dict(one.metadata.attributes) for one in found} == {
        id: {"speed": speed, "hat": "red"} for id, speed in (("u0", "0"), ("u1", "5"), ("u2", "10"))
    }
    cleared = run.images(
        "update", "u0", "--clear", "attributes", "--attribute", "hat=blue", "--clear", "track",
        "--captured-at", "2026-05-01", "--json",
    )  # fmt: skip
    assert json.loads(cleared.stdout)["updated"] == 1
    image, _ = run.client.get_image("u0")
    assert image.metadata.attributes == {"hat": "blue"} and image.metadata.track == ""
    assert image.metadata.captured_at is not None and image.metadata.camera == "u"
    removed = run.images("update", "u1", "--remove-attribute", "hat", "--remove-attribute", "none")
    assert removed.exit_code == 0
    assert run.client.get_image("u1")[0].metadata.attributes == {"speed": "5"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "changes nothing"),
        (("--camera", ""), "give --clear camera"),
        (("--attribute", "hat"), "is not NAME=VALUE"),
        (("--clear", "hat"), "Invalid value for '--clear'"),
        (("--captured-at", "yesterday"), "is not a time"),
    ],
)
def test_a_mistake_is_named(run: Run, options: tuple[str, ...], message: str) -> None:
    wrong = run.images("update", "u0", *options)
    assert wrong.exit_code != 0 and message in wrong.output
