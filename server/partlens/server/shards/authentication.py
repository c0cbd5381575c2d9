"""Whether a Ray cluster asks for its token."""

import os
from pathlib import Path

import grpc

from partlens.runtime.config.sections import ShardsSection
from partlens.runtime.errors import SettingsError

_SECONDS = 5.0
_METHOD = "/ray.rpc.NodeInfoGcsService/GetClusterId"
"""Of the head: changes nothing, and an empty message asks it."""


def require_token_set(settings: ShardsSection) -> None:
    """Refuse to join a cluster of other machines without Ray's own token.

    Raises:
        SettingsError: this process would join without one, and the settings do not allow that.
    """
    if os.environ.get("RAY_AUTH_MODE", "").lower() == "token" or settings.unauthenticated:
        return
    raise SettingsError(
        "a Ray cluster without authentication runs any program that anyone on its network sends:"
        " set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to the file of its token, for this"
        " server and on every node; or, on a network that only the cluster is on,"
        " shards.unauthenticated"
    )


def require_token_asked(address: str, settings: ShardsSection) -> None:
    """Refuse a cluster that answers callers without its token.

    Args:
        address: HOST:PORT of the head.

    Raises:
        SettingsError: it does so, and the settings do not allow that; or it does not answer.
    """
    if settings.unauthenticated or _refuses(address, None):
        return
    raise SettingsError(
        f"the Ray cluster at {address} answers anyone, so anyone on its network can run programs"
        " there: set RAY_AUTH_MODE=token on every node, and start Ray again"
    )


def require_token_right(address: str) -> None:
    """Raise SettingsError if the cluster refuses this process's token, or cannot be reached."""
    if _refuses(address, _token()):
        raise SettingsError(
            f"the Ray cluster at {address} refuses the token of this process: give it the one of"
            " the cluster, by RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
        )


def _refuses(address: str, token: str | None) -> bool:
    sent = (("authorization", f"Bearer {token}"),) if token else None
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(_METHOD, bytes, bytes)
        try:
            call(b"", timeout=_SECONDS, metadata=sent)
        except grpc.RpcError as error:
            if isinstance(error, grpc.Call) and error.code() == grpc.StatusCode.UNAUTHENTICATED:
                return True
            raise SettingsError(
                f"no Ray cluster answers at {address} (shards.address); start its head, and open"
                " its port to this machine"
            ) from error
    return False


def _token() -> str | None:
    """The token of this process; from where Ray takes it."""
    if text := os.environ.get("RAY_AUTH_TOKEN"):
        return text
    path = os.environ.get("RAY_AUTH_TOKEN_PATH")
    file = Path(path) if path else Path.home() / ".ray" / "auth_token"
    return file.read_text().strip() if file.is_file() else None
