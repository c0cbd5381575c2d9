"""Errors of a shard as plain values, and back."""

from dataclasses import dataclass

from partlens.explainer import errors as explainer
from partlens.indexer import errors as indexer
from partlens.server import errors as server

_KINDS: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        explainer.EngineError,
        explainer.ShapeError,
        indexer.DamagedError,
        indexer.OutOfFilesError,
        indexer.ShardError,
        indexer.StorageError,
        indexer.SupersededError,
        indexer.UnreachableError,
        server.CallerGoneError,
    )
}
"""Those that a search of a shard raises. Any other is told of as a ShardError."""


@dataclass(frozen=True)
class Refusal:
    """Why a shard did not answer.

    Attributes:
        kind: name of the error; "" for one that no caller can do anything about.
    """

    kind: str
    message: str


def refusal(error: Exception) -> Refusal:
    """An error as plain values; its most specific known kind."""
    kinds = [one.__name__ for one in type(error).__mro__ if one in _KINDS.values()]
    return Refusal(kinds[0] if kinds else "", str(error))


def error_of(refusal: Refusal, shard: int) -> Exception:
    """The error that a shard raised, which says nothing of Ray."""
    kind = _KINDS.get(refusal.kind, indexer.ShardError)
    return kind(f"shard {shard}: {refusal.message}")
