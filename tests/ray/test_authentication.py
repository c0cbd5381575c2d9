"""Clusters that answer anyone are refused, and so are wrong tokens."""

import secrets

import pytest
from ray_nodes import ray_nodes

from partlens.runtime.config.sections import ShardsSection
from partlens.runtime.config.settings import Settings
from partlens.runtime.errors import SettingsError
from partlens.server.doctor.deployment import trials
from partlens.server.shards.authentication import require_token_asked, require_token_right

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


def finding(shards: ShardsSection) -> tuple[str, str]:
    """What the doctor finds about a cluster, and its complaint."""
    trial = trials(Settings(shards=shards))["shards"]
    return trial.finding, trial.complaint


def test_a_cluster_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    with ray_nodes(0, monkeypatch) as cluster:
        shards = ShardsSection(kind="ray", address=cluster.address)
        assert finding(shards) == ("the cluster answers, and asks for its token", "")
        monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        with pytest.raises(SettingsError, match="refuses the token"):
            require_token_right(cluster.address)
        assert "refuses the token" in finding(shards)[1]
        monkeypatch.delenv("RAY_AUTH_MODE")
        assert "RAY_AUTH_MODE=token" in finding(shards)[1]
    assert (
        "no Ray cluster answers" in finding(shards.model_copy(update={"unauthenticated": True}))[1]
    )


def test_a_cluster_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with ray_nodes(0, monkeypatch, "disabled") as cluster:
        shards = ShardsSection(kind="ray", address=cluster.address)
        monkeypatch.setenv("RAY_AUTH_MODE", "token")
        with pytest.raises(SettingsError, match="answers anyone"):
            require_token_asked(cluster.address, shards)
        assert "answers anyone" in finding(shards)[1]
        allowed = shards.model_copy(update={"unauthenticated": True})
        require_token_asked(cluster.address, allowed)
        assert finding(allowed) == ("the cluster answers", "")
