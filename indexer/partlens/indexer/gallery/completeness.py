"""Whether stored numbers add up: each embedding is the sum of its contributions and its bias."""

import numpy as np
import pyarrow as pa

from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.schema import arrays, embeddings

_TOLERANCE = 1e-4


def not_adding_up(rows: pa.Table, bound: GallerySpec) -> list[int]:
    """Numbers of the rows in which embedding, contributions or bias are not as they were stored.

    Args:
        rows: of the truth, with the columns `embedding` and schema.array_columns.
    """
    contributions, bias = arrays(rows, bound)
    single = contributions[:]
    with np.errstate(invalid="ignore", over="ignore"):  # damaged numbers may be anything
        wrong = np.abs(single.sum(1) + bias - embeddings(rows, bound)).max(1)
        # Written so that NaN, which compares false with everything, is found too.
        sound = wrong <= _TOLERANCE * (1 + np.abs(single).sum(1).max(1))
        sound &= np.isfinite(wrong)
    return np.flatnonzero(~sound).tolist()
