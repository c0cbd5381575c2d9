"""The server for users' tests is a real one, and leaves nothing behind."""

import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from partlens.client import (
    AccessError,
    Client,
    Filter,
    GalleryImageId,
    RequestError,
    UnavailableError,
)
from partlens.testing import RunningServer, running_server


def test_the_gallery_holds_the_people(partlens_server: RunningServer) -> None:
    with partlens_server.client() as client:
        held = {one.id: one for one in client.list_images()}
        assert set(held) == {one.id for one in partlens_server.images} and len(held) == 24
        for one in partlens_server.images:
            assert held[one.id].metadata == one.metadata
            # The original, not only its features.
            assert client.get_picture(GalleryImageId(one.id)).data == one.path.read_bytes()


def test_a_hat_finds_hats(partlens_server: RunningServer) -> None:
    """The boxes are where the parts are: other pictures of the person come first."""
    first = next(one for one in partlens_server.images if "hat" in one.parts)
    with partlens_server.client() as client:
        where = Filter(exclude_ids=[first.id])
        hits = client.search_regions(first.path, first.parts["hat"], where=where).hits
    people = {one.id: one.metadata for one in partlens_server.images}
    assert people[hits[0].id].attributes["hat"] == first.metadata.attributes["hat"]


def test_a_locked_server_with_settings_ends_without_a_trace() -> None:
    before = set(threading.enumerate())
    with running_server(1, locked=True, settings={"limits": {"regions": 1}}) as server:
        (image,) = server.images
        with server.client() as client:
            assert client.get_gallery().limits.regions == 1
            with pytest.raises(RequestError, match="regions"):
                client.search_regions(image.path, list(image.parts.values())[:2])
        with Client(server.target, 5) as stranger, pytest.raises(AccessError):
            stranger.get_gallery()
    assert not image.path.exists() and not Path(image.path).parent.exists()
    with Client(server.target, 5) as late, pytest.raises(UnavailableError):
        late.get_gallery()
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not {name for name in left if name.startswith("partlens")}


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with (
        pytest.raises(ValidationError, match="region"),
        running_server(0, settings={"limits": {"region": 1}}),
    ):
        pass
