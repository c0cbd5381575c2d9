"""A query image sums to its embedding, and its id says where it is."""

import numpy as np
import pytest

from partlens.server.errors import UnknownQueryError
from partlens.server.query_images.query import Query
from partlens.server.query_images.query_id import image_of, query_id, stored_query_id


def query(name: str) -> Query:
    return Query(name, (4, 4), np.ones((2, 3), np.float32), np.full(3, 0.5, np.float32))


def test_the_embedding_is_the_sum_of_contributions_and_bias() -> None:
    assert query("a").embedding.tolist() == [2.5, 2.5, 2.5]


def test_an_id_depends_on_the_model_the_source_and_the_image() -> None:
    ids = {query_id(m, k, d) for m in ("m", "n") for k in ("data", "gallery") for d in (b"1", b"2")}
    assert len(ids) == 8
    assert query_id("m", "data", b"1") == query_id("m", "data", b"1")


@pytest.mark.parametrize("image", ["a", "café/1.jpg", "=-_/", "x" * 512])
def test_the_id_of_a_gallery_image_leads_back_to_it(image: str) -> None:
    assert image_of(stored_query_id("m", image, "sha256:1")) == image
    assert image_of(query_id("m", "data", image.encode())) is None


@pytest.mark.parametrize(
    "wrong", ["", "made up", "q-12", f"q-{40 * 'a'}-", f"q-{40 * 'a'}-_w", f"q-{40 * 'a'}:x"]
)
def test_what_was_never_given_as_an_id_is_refused(wrong: str) -> None:
    with pytest.raises(UnknownQueryError, match=r"is not known.*send the picture again"):
        image_of(wrong)
