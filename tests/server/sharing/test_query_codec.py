"""What comes back from Redis is a query image bit for bit, or is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.conftest import tiny_model

from partlens.server.errors import EntryError
from partlens.server.query_images.query import Query
from partlens.server.sharing.query_codec import decode, encode

SPEC = tiny_model().spec


def query(seed: int = 0) -> Query:
    random = np.random.default_rng(seed)
    contributions = random.standard_normal((SPEC.positions, SPEC.dimensions)).astype(np.float32)
    return Query("q", (30, 44), contributions, contributions.sum(0), f"sha256:{'5a' * 32}")


def test_a_query_image_comes_back_bit_for_bit() -> None:
    sent = query()
    got = decode(encode(sent), "q", SPEC)
    assert (got.id, got.image_size) == (sent.id, sent.image_size)
    assert got.contributions.tobytes() == sent.contributions.tobytes()
    assert got.bias.tobytes() == sent.bias.tobytes()
    assert got.media_digest == sent.media_digest


@given(st.data())
def test_any_change_is_refused(data: st.DataObject) -> None:
    entry = bytearray(encode(query()))
    place = data.draw(st.integers(0, len(entry) - 1))
    entry[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(EntryError):
        decode(bytes(entry), "q", SPEC)


@given(st.binary(max_size=400))
def test_made_up_bytes_are_refused(entry: bytes) -> None:
    for made_up in (entry, encode(query())[:36] + entry):
        with pytest.raises(EntryError):
            decode(made_up, "q", SPEC)


def test_an_entry_under_another_id_or_of_another_model_is_refused() -> None:
    with pytest.raises(EntryError, match="digest"):
        decode(encode(query()), "another", SPEC)
    other = replace(SPEC, grid=(SPEC.grid[0], SPEC.grid[1] + 1))
    with pytest.raises(EntryError, match="positions"):
        decode(encode(query()), "q", other)
    wild = query()
    wild.contributions[0, 0] = np.nan
    with pytest.raises(EntryError, match="invalid number"):
        decode(encode(wild), "q", SPEC)
