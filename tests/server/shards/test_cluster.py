"""What a cluster of shards must have before it is joined, and what its errors become."""

import pytest

from partlens.explainer.errors import ShapeError
from partlens.indexer.errors import (
    GalleryError,
    NotFoundError,
    OutOfFilesError,
    ShardError,
    SupersededError,
    UnreachableError,
)
from partlens.runtime.config.sections import ShardsSection
from partlens.runtime.errors import SettingsError
from partlens.server.shards.cluster import ShardCluster
from partlens.server.shards.refusals import error_of, refusal

ELSEWHERE = ShardsSection(kind="ray", address="cluster:6379")


@pytest.mark.parametrize("mode", [None, "disabled"])
def test_a_cluster_without_authentication_is_refused(
    mode: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    if mode is not None:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with pytest.raises(SettingsError, match="RAY_AUTH_MODE=token"):
        ShardCluster(ELSEWHERE, lambda: None)
    allowed = ELSEWHERE.model_copy(update={"unauthenticated": True})
    ShardCluster(allowed, lambda: None).close()


def test_a_cluster_with_authentication_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    ShardCluster(ELSEWHERE, lambda: None).close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ShapeError("6 numbers"), ShapeError),
        (SupersededError("commit 4"), SupersededError),
        (OutOfFilesError("none left"), OutOfFilesError),
        (ShardError("behind"), ShardError),
        # What a search cannot raise tells its caller nothing.
        (NotFoundError("no image"), ShardError),
        (GalleryError("something"), ShardError),
        (UnreachableError("the store cannot be reached"), UnreachableError),
    ],
)
def test_an_error_keeps_its_kind_on_the_way(error: Exception, kind: type[Exception]) -> None:
    found = error_of(refusal(error), 2)
    assert type(found) is kind and str(found) == f"shard 2: {error}"
