"""What to tell people about a model whose maps explain little of a similarity."""

MOST = 0.5
"""Largest bias share, mean |b| / |E|, of a model that needs no warning."""


def bias_warning(share: float) -> str | None:
    """A sentence for a model with this bias share; None where it needs none.

    Args:
        share: mean length of the bias over that of the embedding, at least 0; it may be over 1.
    """
    if share <= MOST:
        return None
    return (
        f"the bias of this model is {share:.2f} times as long as the embedding (at most {MOST:g} is"
        " good). It belongs to no position, so maps explain only the rest of a similarity, and"
        " images can be similar without showing anything alike. Import the model with another cut"
        " (`partlens model suggest` lists them) or another pooling (--hf: --pooling mean)"
    )
