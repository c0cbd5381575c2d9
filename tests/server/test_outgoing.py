"""What the server's programs connect to on this machine never goes through a proxy."""

from pathlib import Path

import pytest
from proxy import proxy
from tests.server.conftest import Running, settings

from partlens.ingest.bridge.frigate_api import FrigateApi
from partlens.ingest.errors import UploadError
from partlens.ingest.uploader import Uploader
from partlens.runtime.errors import SettingsError
from partlens.server.bench.load import measure
from partlens.server.standing.http_client import connect

NAMES = ("grpc_proxy", "https_proxy", "http_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY")


@pytest.fixture(autouse=True)
def nothing_excepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, "no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)


def set_all(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, url)


async def ready(server: str, **more: object) -> None:
    uploader = Uploader(settings(ingest={"server": server, **more}).ingest)
    try:
        await uploader.require_ready()
    finally:
        await uploader.close()


async def test_workers_webhooks_and_bridges_reach_this_machine_directly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    with proxy() as running, proxy("200 OK") as web:
        set_all(monkeypatch, running.url)
        for host in ("127.0.0.1", "localhost", "[::1]"):
            with pytest.raises(UploadError, match="nothing listens on this port"):
                await ready(f"{host}:1", token_file=token)
        hook = connect(f"http://localhost:{web.port}/hook")
        assert (await hook.client.post(f"http://localhost:{web.port}/hook")).status_code == 200
        await hook.client.aclose()
        bridge = settings(bridge={"frigate": f"http://127.0.0.1:{web.port}"})
        api = FrigateApi(bridge.bridge, bridge.limits)
        await api.snapshot("camera", "1", ended=False)
        await api.close()
        assert running.got == [] and hook.way == f"localhost:{web.port}"
        assert web.got[0].startswith(b"POST /hook ") and b"secret" not in b"".join(web.got)


async def test_workers_and_webhooks_name_the_proxy_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with proxy() as running:
        set_all(monkeypatch, running.url)
        named = f"the proxy 127.0.0.1:{running.port} (from grpc_proxy)"
        with pytest.raises(UploadError, match=r"search\.example:50051 through the") as caught:
            await ready("search.example:50051")
        assert named in str(caught.value) and "hidden" not in str(caught.value)
        hook = connect("http://hooks.example/path")
        proxied = f"hooks.example:80 through the proxy 127.0.0.1:{running.port} (from http_proxy)"
        assert hook.way == proxied
        answer = await hook.client.post("http://hooks.example/path")
        await hook.client.aclose()
        assert answer.status_code == 403
        assert running.got[-1].startswith(b"POST http://hooks.example/path ")


def test_a_proxy_that_cannot_be_used_is_an_error_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_all(monkeypatch, "socks5://user:hidden@proxy.example:1")
    for open_it in (
        lambda: connect("http://hooks.example/"),
        lambda: Uploader(settings(ingest={"server": "search.example:1"}).ingest),
    ):
        with pytest.raises(SettingsError, match="must begin with http://") as caught:
            open_it()
        assert "hidden" not in str(caught.value)


async def test_a_token_in_the_clear_stays_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    with proxy("200 OK") as running:
        set_all(monkeypatch, running.url)
        with pytest.raises(SettingsError, match="in the clear"):
            await ready("search.example:1", token_file=token)
        assert running.got == []
    token.write_text("")
    with pytest.raises(SettingsError, match="is empty"):
        await ready("127.0.0.1:1", token_file=token)


async def test_a_benchmark_passes_a_proxy_by(
    filled: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy() as running:
        set_all(monkeypatch, running.url)
        load = await measure(filled.address, clients=1, seconds=0.2, searches_per_picture=1)
        assert load.errors == {} and load.calls and running.got == []
