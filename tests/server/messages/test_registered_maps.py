"""A map says where its cells look, and a client draws it there."""

from dataclasses import replace

import numpy as np
import pytest

from partlens.client import decoding
from partlens.client.errors import ServerError
from partlens.common.registration import Axis, Registration
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.spec import ModelSpec
from partlens.explainer.view import View
from partlens.server.messages.encoding import Encoder
from partlens.server.query_images.query import Query
from partlens.v1 import image_pb2 as image_pb

LOOKS = Registration(Axis((0.2, 0.3, 0.6, 0.9)), Axis((0.1, 0.7)))
VALUES = np.random.default_rng(0).random((4, 2)).astype(np.float32)
STRETCHED = ModelSpec("m", "", Preprocessing(32, 16), "conv", (4, 2), 8, "mean", 0.0)
CROPPED = replace(STRETCHED, preprocessing=Preprocessing(32, 32, resize="shortest_side_crop"))


@pytest.mark.parametrize("spec", [STRETCHED, CROPPED])
@pytest.mark.parametrize("looks", [None, LOOKS])
def test_a_client_draws_a_map_as_the_explainer_does(
    spec: ModelSpec, looks: Registration | None
) -> None:
    spec, size = replace(spec, registered=looks), (60, 40)
    received = decoding.activation_map(Encoder(spec).map(VALUES, size))
    np.testing.assert_allclose(
        received.upsampled(*size),
        View(size, spec.preprocessing, spec.registration).placed(VALUES).upsampled(*size),
        atol=1e-5,
    )


@pytest.mark.parametrize("spec", [STRETCHED, CROPPED])
@pytest.mark.parametrize("looks", [None, LOOKS])
def test_a_query_image_has_the_place_of_its_maps(
    spec: ModelSpec, looks: Registration | None
) -> None:
    encoder, size = Encoder(replace(spec, registered=looks)), (60, 40)
    numbers = np.zeros((8, 8), np.float32)
    sent = encoder.described(Query("q", size, numbers, numbers[0]))
    query, map = decoding.query(sent), decoding.activation_map(encoder.map(VALUES, size))
    assert (query.registration, query.extent) == (map.registration, map.extent)
    assert query.grid == query.registration.grid == (4, 2)


def test_a_map_of_an_older_server_is_drawn_evenly_spread() -> None:
    sent = Encoder(STRETCHED).map(VALUES, (60, 40))
    assert not sent.row_centres and not sent.col_centres
    assert decoding.activation_map(sent).registration == Registration.nominal((4, 2))


@pytest.mark.parametrize("centres", [[0.5], [0.9, 0.6, 0.3, 0.2], [0.1, 0.2, 0.3, 1.5]])
def test_impossible_centres_of_a_server_are_refused(centres: list[float]) -> None:
    sent = Encoder(STRETCHED).map(VALUES, (60, 40))
    damaged = image_pb.ActivationMap.FromString(sent.SerializeToString())
    damaged.row_centres.extend(centres)
    with pytest.raises(ServerError, match="centre"):
        decoding.activation_map(damaged)
