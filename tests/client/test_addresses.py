"""HOST:PORT is the one form of an address; anything else is told what to write instead."""

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from partlens.cli.main import main
from partlens.client import AddressError, AsyncClient, Client
from partlens.client.address import parse

# What is given; words of the answer.
HOSTILE = {
    "http://127.0.0.1:50051": "write 127.0.0.1:50051 without http://",
    "https://search.example:50051/": "write search.example:50051 without https://, and set tls",
    "grpc://search.example:1": "write search.example:1 without grpc://",
    "http://": "write 127.0.0.1:50051 without http://",
    "127.0.0.1:50051/": "write 127.0.0.1:50051",
    "127.0.0.1": "no port; write 127.0.0.1:PORT",
    "127.0.0.1:": "no port",
    "127.0.0.1:99999": "from 1 to 65535",
    "127.0.0.1:-1": "from 1 to 65535",
    "127.0.0.1:5e4": "from 1 to 65535",
    "127.0.0.1:\u0661": "from 1 to 65535",
    "": "empty; write HOST:PORT",
    " ": "empty; write HOST:PORT",
    " 127.0.0.1:50051": "blanks",
    "127.0.0.1:50051\n": "blanks",
    "a b:1": "blanks",
    "a\x00:1": "control characters",
    ":50051": "no host",
    "::1": r"write [::1]:50051",
    "::1:50051": r"write [::1]:50051",
    "[::1]": "no port",
    "[::1": "bracket out of place",
    "[search]:1": "no IPv6 address in its brackets",
    "b\u00fccher.example:1": "write xn--bcher-kva.example:1",
    "dns:///search.example:1": "not supported; write HOST:PORT",
    "unix:/run/partlens.sock": "not supported; write HOST:PORT",
    "unix:partlens.sock": "not supported; write HOST:PORT",
    "a..b:1": "neither a name nor an IP address",
    "*:50051": "neither a name nor an IP address",
    "a" * 300 + ":1": "neither a name nor an IP address",
}
SECRET = "http://user:hidden@search.example:1"


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:20]))
async def test_every_door_says_what_to_write(text: str) -> None:
    words = HOSTILE[text]
    for open_client in (Client, AsyncClient):
        with pytest.raises(AddressError) as caught:
            open_client(text)
        assert words in str(caught.value)
    if "\x00" in text:
        return
    for command in (["health"], ["standing", "list"], ["explain"]):
        result = CliRunner().invoke(main, [*command, "--server", text])
        assert result.exit_code == 2, result.output
        assert words in result.output and "Traceback" not in result.output


def test_port_0_is_for_listeners() -> None:
    assert parse("127.0.0.1:0", listening=True).port == 0
    with pytest.raises(AddressError, match="port 0, which nothing listens on"):
        parse("127.0.0.1:0")


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(AddressError, match=r"write search\.example:1 without http://") as caught:
        Client(SECRET)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("value", [None, 50051, b"127.0.0.1:1", ("127.0.0.1", 1)])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(AddressError, match=r"must be a text such as 127\.0\.0\.1:50051"):
        parse(value)


@given(st.text(max_size=30) | st.from_regex(r"[a-z:/@\[\].0-9-]{0,20}", fullmatch=True))
def test_any_text_is_an_address_that_reads_back_or_an_address_error(text: str) -> None:
    try:
        address = parse(text, listening=True)
    except AddressError:
        return
    assert str(address) == text or address == parse(str(address), listening=True)
    assert 0 <= address.port <= 65535 and address.host.isascii()


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:50051", "127.0.0.1", 50051),
        ("search_1.example.:1", "search_1.example.", 1),
        ("[fe80::1%eth0]:65535", "fe80::1%eth0", 65535),
        ("dns:53", "dns", 53),
    ],
)
def test_what_is_an_address(text: str, host: str, port: int) -> None:
    address = parse(text)
    assert (address.host, address.port, str(address)) == (host, port, text)
