"""A server on a thread of this process."""

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from partlens.client import Client, Credentials
from partlens.explainer.model import MetricModel
from partlens.explainer.starter import model_folder
from partlens.indexer.gallery import Gallery
from partlens.indexer.indexing import index_images
from partlens.indexer.sources import Listing
from partlens.runtime.config.settings import Settings
from partlens.server.access import tokens
from partlens.server.access.token_file import TokenFile
from partlens.server.app import PartlensServer, create_server
from partlens.server.caller.scopes import SCOPES
from partlens.testing.people import TestImage, files_of, write_people

_LOOPBACK = "127.0.0.1"
_GRACE = 1.0
"""Seconds that calls in progress may take once the server stops."""

Sections = Mapping[str, Mapping[str, object]]
"""Settings by section and name, as in partlens.toml."""


@dataclass(frozen=True)
class RunningServer:
    """A server that answers.

    Attributes:
        target: "host:port" of gRPC.
        url: address of HTTP and of the page, such as "http://127.0.0.1:41234/".
        images: what its gallery holds.
        credentials: what callers need; empty if it is not locked.
    """

    target: str
    url: str
    images: Sequence[TestImage]
    credentials: Credentials

    def client(self, deadline: float = 30.0) -> Client:
        """A new client of it; close it, or use it in a `with` statement."""
        return Client(self.target, deadline, self.credentials)


@contextmanager
def running_server(
    images: int = 24, *, locked: bool = False, settings: Sections | None = None
) -> Iterator[RunningServer]:
    """Fill a gallery with generated people, and serve it on free ports of this machine.

    The model is the starter model. Everything is in a temporary folder, which is removed at the
    end, when the server stops. It begins in a few seconds, most of them for loading torch.

    Args:
        images: number of images in the gallery; four of each person.
        locked: whether callers need a token, which `credentials` has with every scope.
        settings: more settings, such as {"limits": {"regions": 4}}; see docs/configuration.md.

    Raises:
        pydantic.ValidationError: an unknown setting, or an invalid value.
    """
    with TemporaryDirectory(prefix="partlens-testing-") as name:
        root = Path(name)
        pictures = root / "pictures"
        pictures.mkdir()
        used = _settings(pictures, root / "tokens.toml" if locked else None, settings or {})
        people = write_people(images, pictures)
        model = MetricModel.load(model_folder())
        gallery = Gallery.create(root / "gallery", model.spec)
        index_images(gallery, model, Listing(files_of(people)))
        credentials = _lock(root / "tokens.toml") if locked else Credentials()
        with _served(create_server(model, gallery, used)) as (target, url):
            yield RunningServer(target, url, people, credentials)


def _lock(file: Path) -> Credentials:
    token, text = tokens.create("testing", frozenset(SCOPES))
    TokenFile(file).add(token)
    return Credentials(token=text)


def _settings(pictures: Path, token_file: Path | None, more: Sections) -> Settings:
    sections: dict[str, dict[str, object]] = {
        "server": {
            "listen": f"{_LOOPBACK}:0",
            "http_listen": f"{_LOOPBACK}:0",
            "originals": (pictures,),
            "grace_seconds": _GRACE,
        },
        "access": {"tokens": token_file},
    }
    for section, values in more.items():
        sections.setdefault(section, {}).update(values)
    return Settings.model_validate(sections)


@contextmanager
def _served(server: PartlensServer) -> Iterator[tuple[str, str]]:
    """Runs a server on a thread with a loop of its own; gives its gRPC and HTTP addresses."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="partlens-testing", daemon=True)
    thread.start()
    try:
        port = asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        try:
            yield f"{_LOOPBACK}:{port}", str(server.http_url)
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
