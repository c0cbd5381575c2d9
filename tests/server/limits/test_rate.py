"""A token's rate: no more than it allows, and no less."""

import json
from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st
from tests.server.conftest import DEADLINE, settings

from partlens.client import AsyncClient, Credentials, ExhaustedError
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.access import tokens
from partlens.server.access.token_file import TokenFile
from partlens.server.app import create_server
from partlens.server.limits.rate import Bucket
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub


@given(
    rate=st.floats(0.1, 50),
    burst=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 5), min_size=1, max_size=60),
)
def test_any_stretch_of_time_has_at_most_burst_and_rate(
    rate: float, burst: int, pauses: list[float]
) -> None:
    bucket, now, taken = Bucket(rate, burst, burst, 0.0), 0.0, []
    for pause in pauses:
        now += pause
        wait = bucket.take(now)
        if wait == 0:
            taken.append(now)
        else:
            # What it says is when: a little sooner is too soon.
            assert 0 < wait <= 1 / rate + 1e-9
    for i, start in enumerate(taken):
        for count, end in enumerate(taken[i:], 1):
            assert count <= burst + rate * (end - start) + 1e-6


async def test_a_token_that_calls_too_often_is_told_when_to_come_back(
    model: MetricModel, gallery: Gallery, tmp_path: Any
) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    made = [tokens.create(name, frozenset({"search"})) for name in ("busy", "calm")]
    for token, _ in made:
        file.add(token)
    limits: dict[str, object] = {"calls_per_second": 0.5, "burst_calls": 3}
    server = create_server(model, gallery, settings(access={"tokens": file.path}, limits=limits))
    address = f"127.0.0.1:{await server.start()}"
    busy, calm = (Credentials(token=text) for _, text in made)
    async with grpc.aio.insecure_channel(address) as channel:
        stub = GalleryServiceStub(channel)
        for _ in range(3):
            await stub.GetGallery(pb.GetGalleryRequest(), timeout=DEADLINE, metadata=busy.metadata)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetGallery(pb.GetGalleryRequest(), timeout=DEADLINE, metadata=busy.metadata)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status: Any = rpc_status.from_call(cast("grpc.Call", caught.value))
    retry = error_details_pb2.RetryInfo()
    assert [detail.Unpack(retry) for detail in status.details] == [False, True]
    assert 0 < retry.retry_delay.ToMilliseconds() <= 2000
    async with AsyncClient(address, DEADLINE, busy) as client:
        with pytest.raises(ExhaustedError, match=r"may make 0\.5 calls per second") as refused:
            await client.get_gallery()
        assert 0 < (refused.value.retry_seconds or 0) <= 2
    async with AsyncClient(address, DEADLINE, calm) as client:
        await client.get_gallery()
    await server.stop(0)


async def test_a_flood_of_wrong_tokens_is_counted_and_locks_nobody_out(
    model: MetricModel, gallery: Gallery, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    file, log, sent = TokenFile(tmp_path / "tokens.json"), tmp_path / "audit.jsonl", 120
    token, text = tokens.create("calm", frozenset({"search"}))
    file.add(token)
    server = create_server(
        model,
        gallery,
        settings(
            access={"tokens": file.path, "audit_log": log},
            limits={"failed_logins_per_second": 0.001},
        ),
    )
    caplog.set_level("INFO", "partlens.server.observe.logs")
    address = f"127.0.0.1:{await server.start()}"
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            ask = GalleryServiceStub(channel).GetGallery
            for n in range(sent):
                wrong = Credentials(token=f"plt_{n:08x}_wrong")
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await ask(pb.GetGalleryRequest(), timeout=DEADLINE, metadata=wrong.metadata)
                assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
                assert "unknown, revoked, expired or mistyped" in str(caught.value.details())
            right = Credentials(token=text)
            await ask(pb.GetGalleryRequest(), timeout=DEADLINE, metadata=right.metadata)
    finally:
        await server.stop(0)
    logged = [one for one in caplog.records if vars(one).get("code") == "UNAUTHENTICATED"]
    counted = server.metrics.registry.get_sample_value("partlens_failed_logins_counted_total")
    assert counted is not None and 0 < len(logged) < sent and len(logged) + counted == sent
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    refused = [one for one in lines if one.get("outcome") == "UNAUTHENTICATED"]
    assert sum(one.get("count", 1) for one in refused) == sent
    assert len(refused) < sent
