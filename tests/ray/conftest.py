"""A gallery, and servers of it: one that searches by itself, one whose searches shards answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from server_process import ServerProcess, server_process

from partlens.client import Client, Credentials
from partlens.explainer.model import MetricModel
from partlens.explainer.starter import model_folder
from partlens.indexer.gallery import Gallery
from partlens.indexer.indexing import index_images
from partlens.indexer.sources import Listing
from partlens.server.access import tokens
from partlens.server.access.token_file import TokenFile
from partlens.server.caller.scopes import SCOPES
from partlens.testing.people import TestImage, files_of, write_people

READY = 300.0
"""Seconds for a cluster to start on a busy machine."""


@dataclass(frozen=True)
class People:
    """A gallery of generated people.

    Attributes:
        images: what it holds.
        tokens: file of the tokens of `credentials`, by what they may see.
    """

    folder: Path
    images: tuple[TestImage, ...]
    tokens: Path
    credentials: Mapping[str, Credentials]

    @property
    def gallery(self) -> Path:
        return self.folder / "gallery"

    @property
    def scratch(self) -> Path:
        """Folder of the two shards of `sharded`."""
        return self.folder / "scratch"


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    """48 people; tokens for all of them, and for those of one camera."""
    folder = tmp_path_factory.mktemp("people")
    pictures = folder / "pictures"
    pictures.mkdir()
    images = tuple(write_people(48, pictures))
    model = MetricModel.load(model_folder())
    with Gallery.create(folder / "gallery", model.spec) as gallery:
        index_images(gallery, model, Listing(files_of(images)))
    file, credentials = TokenFile(folder / "tokens.toml"), dict[str, Credentials]()
    for name, cameras in (("all", frozenset[str]()), ("a", frozenset({"a"}))):
        token, text = tokens.create(name, frozenset(SCOPES), cameras)
        file.add(token)
        credentials[name] = Credentials(token=text)
    return People(folder, images, file.path, credentials)


def settings_of(people: People, name: str) -> list[str]:
    """Options of a server of the gallery that shares no file with others."""
    own = people.folder / name
    used = {
        "access.tokens": people.tokens,
        "access.audit_log": own.with_suffix(".audit.jsonl"),
        "standing.folder": own.with_suffix(".standing"),
    }
    return [text for key, path in used.items() for text in ("--set", f"{key}={path}")]


def serving(people: People, name: str, *options: str | Path) -> Iterator[ServerProcess]:
    """A server of the gallery that answers when this yields."""
    given = (*settings_of(people, name), *options)
    with server_process(model_folder(), people.gallery, *given, name=name, start=READY) as server:
        with Client(server.address, READY, people.credentials["all"]) as client:
            client.wait_until_ready(READY)
        yield server


@pytest.fixture(scope="session")
def embedded(people: People) -> Iterator[ServerProcess]:
    yield from serving(people, "embedded")


@pytest.fixture(scope="session")
def sharded(people: People) -> Iterator[ServerProcess]:
    """The same with two shards on a cluster of this machine."""
    yield from serving_shards(people, 2, people.scratch)


def serving_shards(people: People, count: int, scratch: Path) -> Iterator[ServerProcess]:
    """A server with so many shards on a cluster of its own; their folder is `scratch`."""
    yield from serving(
        people, f"sharded{count}", "--shards", "ray", "--set", "shards.cpus=0.1",
        "--set", f"shards.folder={scratch}", "--set", "shards.block_rows=4",
        "--set", f"shards.count={count}",
    )  # fmt: skip
