"""A region to which the model gives no share of the embedding is refused, not searched for."""

import grpc
import numpy as np
import pytest
import torch
from tests.server.conftest import DEADLINE, Running, picture
from torch import nn

from partlens.explainer.images import decode
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb
from partlens.v1 import region_pb2 as region_pb

ROWS, COLS = 8, 4


@pytest.fixture(scope="session")
def model() -> MetricModel:
    """Max pooling: of its 32 positions six at most win a channel."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 4, 4), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 4)
    )
    size = Preprocessing(height=4 * ROWS, width=4 * COLS)
    return MetricModel.from_module(net.eval(), feature_layer="0", preprocessing=size, name="max")


async def test_only_positions_that_contribute_can_be_searched_for(
    running: Running, model: MetricModel
) -> None:
    data = picture(1, width=10 * COLS, height=10 * ROWS)
    seen = model.decompose_pixels(model.spec.preprocessing.pixels(decode(data))[None])
    contributes = np.abs(seen.contributions[0]).sum(1) > 0
    assert 1 <= contributes.sum() <= 6
    found = []
    for row, col in np.ndindex(ROWS, COLS):
        box = region_pb.Box(x=10 * int(col), y=10 * int(row), width=10, height=10)
        request = pb.SearchRegionsRequest(
            images=[image_pb.QueryImage(data=data)],
            regions=[pb.QueryRegion(region=region_pb.Region(box=box))],
        )
        try:
            await running.search.SearchRegions(request, timeout=DEADLINE)
            found.append(True)
        except grpc.aio.AioRpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert "sees nothing in this region" in str(error.details())
            found.append(False)
    assert found == contributes.tolist()
