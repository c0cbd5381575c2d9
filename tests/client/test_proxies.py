"""No connection to this machine reaches a proxy; others use it, and their errors name it."""

import os
import time
from collections.abc import Awaitable, Callable

import pytest
from proxy import proxy

from partlens.client import (
    AddressError,
    AsyncClient,
    Client,
    ClientError,
    Credentials,
    CredentialsError,
    UnavailableError,
    address,
    proxies,
)

HERE = (
    "127.0.0.1",
    "127.9.9.9",
    "127.1",
    "0x7f000001",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "sub.localhost",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[0:0:0:0:0:0:0:1]",
)
VARIABLES = ("grpc_proxy", "https_proxy", "HTTPS_PROXY", "http_proxy")
EXCEPTIONS = ("no_grpc_proxy", "no_proxy", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, *EXCEPTIONS, "all_proxy"):
        for spelled in (name, name.upper()):
            monkeypatch.delenv(spelled, raising=False)


def ask(target: str, credentials: Credentials) -> ClientError:
    with Client(target, 5.0, credentials) as client, pytest.raises(ClientError) as caught:
        client.get_gallery()
    return caught.value


async def ask_async(target: str, credentials: Credentials) -> ClientError:
    async with AsyncClient(target, 5.0, credentials) as client:
        with pytest.raises(ClientError) as caught:
            await client.get_gallery()
        return caught.value


async def ask_health(target: str, credentials: Credentials) -> ClientError:
    with Client(target, 5.0, credentials) as client, pytest.raises(ClientError) as caught:
        client.wait_until_ready(0.1)
    return caught.value


async def ask_sync(target: str, credentials: Credentials) -> ClientError:
    return ask(target, credentials)


ASKING = [ask_sync, ask_async, ask_health]
Ask = Callable[[str, Credentials], Awaitable[ClientError]]


@pytest.mark.parametrize("asked", ASKING)
@pytest.mark.parametrize("variable", VARIABLES)
async def test_a_proxy_gets_nothing_that_is_for_this_machine(
    asked: Ask, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy() as running:
        monkeypatch.setenv(variable, running.url)
        for host in HERE:
            loopback = address.parse(f"{host}:1").is_loopback
            error = await asked(f"{host}:1", Credentials(token="secret" if loopback else ""))
            assert isinstance(error, UnavailableError) and "proxy" not in str(error), host
        assert running.got == []


@pytest.mark.parametrize("asked", ASKING)
@pytest.mark.parametrize("variable", VARIABLES)
async def test_a_proxy_in_the_way_is_named_without_its_password(
    asked: Ask, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy() as running:
        monkeypatch.setenv(variable, running.url)
        error = str(await asked("search.example:50051", Credentials(token="secret", tls=True)))
        assert running.got[0].startswith(b"CONNECT search.example:50051 ")
        assert b"secret" not in b"".join(running.got)
    for words in (
        "search.example:50051",
        f"proxy 127.0.0.1:{running.port} (from {variable})",
        "403",
    ):
        assert words in error
    assert "hidden" not in error


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("407 Proxy Authentication Required", "needs a user and a password"),
        ("502 Bad Gateway", "refuses to connect there (status 502)"),
        ("200 OK", "closed, by the proxy or behind it"),
    ],
)
def test_what_a_proxy_did_is_said(status: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(status) as running:
        monkeypatch.setenv("https_proxy", running.url)
        assert words in str(ask("search.example:50051", Credentials()))
    # gRPC keeps a connection that failed, with its error, for up to a few seconds.
    end = time.monotonic() + 20
    while "the proxy does not answer" not in str(ask("search.example:50051", Credentials())):
        assert time.monotonic() < end


def test_a_token_in_the_clear_reaches_neither_proxy_nor_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with proxy("200 OK") as running:
        monkeypatch.setenv("http_proxy", running.url)
        with pytest.raises(CredentialsError, match=r"search\.example:50051 in the clear"):
            Client("search.example:50051", credentials=Credentials(token="secret"))
        assert running.got == []


@pytest.mark.parametrize(
    "excepted",
    [
        {"no_proxy": "search.example"},
        {"no_proxy": " other , .example"},
        {"no_proxy": "*"},
        {"no_grpc_proxy": "example", "no_proxy": ""},
        {"no_proxy": "search.example:50051"},
        {"grpc_proxy": ""},
    ],
)
def test_an_exception_is_kept_to(excepted: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy() as running:
        monkeypatch.setenv("http_proxy", running.url)
        for name, value in excepted.items():
            monkeypatch.setenv(name, value)
        assert "proxy" not in str(ask("search.example:50051", Credentials()))
        assert running.got == []


@pytest.mark.parametrize(
    ("listed", "host", "direct"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("fd00::/8", "fd12::1", True),
        ("ample", "search.example", False),
        ("search.example:1", "search.example", False),
        ("", "search.example", False),
    ],
)
def test_exceptions_are_names_and_networks(
    listed: str, host: str, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", listed)
    found = proxies.between(address.Address(host, 50051), proxies.GRPC)
    assert (found is None) == direct


@pytest.mark.parametrize(
    "url", ["socks5://u:hidden@h:1", "https://u:hidden@h:1", "http://u:hidden@:1", "http://h:99999"]
)
def test_a_proxy_that_cannot_be_used_is_an_error_and_not_ignored(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", url)
    words = r"https_proxy names cannot be used: it .* no_grpc_proxy"
    with pytest.raises(AddressError, match=words) as caught:
        Client("search.example:50051")
    assert "hidden" not in str(caught.value)
    assert os.environ["https_proxy"] == url and Client("127.0.0.1:1").target == "127.0.0.1:1"


def test_requests_go_by_the_variables_of_their_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    target = address.Address("hooks.example", 443)
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    assert str(proxies.between(target, proxies.http("https"))) == (
        "the proxy proxy.example:3128 (from HTTPS_PROXY)"
    )
    assert proxies.between(target, proxies.http("http")) is None
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:1")
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    assert proxies.between(target, proxies.http("http")) is None
