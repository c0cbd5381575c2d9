"""Whatever arrives over HTTP is parsed as over gRPC, or refused in words."""

import asyncio
import json
import random
from typing import Any, cast

import pytest
from fuzz_messages import MessageFuzzer
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st
from tests.server.conftest import LIMITS
from tests.server.http.conftest import GET_IMAGE, SEARCH, UPSERTS, Fronts
from tests.server.http.test_equal_answers import METHODS
from tests.server.http.test_http_limits import connected, ended, head
from tests.server.http.test_stopping import streaming

from partlens.server.errors import MessageSizeError, RequestError
from partlens.server.http import json_messages
from partlens.server.http.bodies import END_STREAM, envelope, enveloped
from partlens.server.http.exchange import Incoming
from partlens.server.http.json_messages import JsonParser
from partlens.server.limits.arrivals import Arrivals
from partlens.server.limits.receiving import BinaryParser

PARSERS = {path: JsonParser(method.request, LIMITS) for path, method in METHODS.items()}
NAMES = sorted(
    {field.json_name for method in METHODS.values()
     for field in cast("Descriptor", method.request.DESCRIPTOR).fields}
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(PARSERS)), values)
def test_any_json_is_a_request_or_refused(path: str, value: object) -> None:
    text = json.dumps(value).encode()
    try:
        message = PARSERS[path](text)
    except (RequestError, MessageSizeError) as error:
        assert len(str(error)) < 1000
        return
    assert isinstance(message, METHODS[path].request)


@given(st.sampled_from(sorted(PARSERS)), st.binary(max_size=60))
def test_any_bytes_are_a_request_or_refused(path: str, data: bytes) -> None:
    try:
        PARSERS[path](data)
    except (RequestError, MessageSizeError):
        pass


@pytest.mark.parametrize("path", sorted(METHODS), ids=lambda path: path.rpartition("/")[2])
def test_json_means_what_binary_means(path: str) -> None:
    method, binary = METHODS[path], BinaryParser(METHODS[path].request, LIMITS)
    chosen = random.Random(path)
    same = 0
    for number in range(240):
        fuzzer = MessageFuzzer(chosen, {}, sense=chosen.choice((0.2, 0.9)))
        data = fuzzer.message(cast("Descriptor", method.request.DESCRIPTOR))
        try:
            message = method.request.FromString(data)
            text = json_format.MessageToJson(message)
            if json_format.Parse(text, method.request()) != message:
                continue  # such as a field mask with an empty path
        except (DecodeError, ValueError, json_format.Error, TypeError):
            continue  # a time that JSON has no words for
        data = message.SerializeToString()
        if len(data) > LIMITS.request_bytes:
            continue
        assert outcome(PARSERS[path], text.encode()) == outcome(binary, data), (number, text[:300])
        same += 1
        if same == 60:
            return
    assert same > 10


def outcome(parse: Any, data: bytes) -> Message | str:
    """A request, or why it is refused."""
    try:
        message: Message = parse(data)
    except RequestError as error:
        return str(error)
    return message


@given(st.lists(st.binary(max_size=20), max_size=5), st.randoms())
def test_messages_arrive_whole_however_they_are_cut(
    messages: list[bytes], chosen: random.Random
) -> None:
    body = b"".join(envelope(0, one) for one in messages)
    cuts = sorted(chosen.randrange(len(body) + 1) for _ in range(6))
    chunks = [body[at:to] for at, to in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    arrivals = Arrivals(LIMITS)

    async def read() -> list[bytes]:
        with arrivals.held("") as held:
            source = enveloped(Incoming(receiving(chunks)), held, 20, gzip=False)
            found = []
            async for one in source:
                found.append(one)
                held.drop(len(one))
            assert held.bytes == 0
            return found

    assert asyncio.run(read()) == messages


@given(st.binary(max_size=60))
def test_any_stream_is_read_or_refused(body: bytes) -> None:
    async def read() -> None:
        with Arrivals(LIMITS).held("") as held:
            async for one in enveloped(Incoming(receiving([body])), held, 20, gzip=True):
                held.drop(len(one))

    try:
        asyncio.run(read())
    except (RequestError, MessageSizeError):
        pass


def receiving(chunks: list[bytes]) -> Any:
    """An ASGI receive that gives these chunks."""
    left = iter([*((chunk, True) for chunk in chunks), (b"", False)])

    async def receive() -> dict[str, Any]:
        body, more = next(left)
        return {"type": "http.request", "body": body, "more_body": more}

    return receive


async def test_a_server_survives_whatever_comes_over_the_wire(
    fronts: Fronts, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = random.Random(5)
    whole = [
        head(GET_IMAGE, "Content-Length: 9") + b'{"id":""}',
        head(SEARCH, "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n",
        streaming(UPSERTS, 7) + envelope(END_STREAM, b"{}"),
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        head("/health", "Content-Length: 5", "Transfer-Encoding: chunked"),
        head("/health", "Content-Length: 5", "Content-Length: 6"),
        b"\x16\x03\x01\x02\x00\x01\x00",
    ]

    def damaged(data: bytes) -> bytes:
        at = chosen.randrange(len(data))
        extra = chosen.choice((b"", b"\0", b"\r\n", b":", b"\xff" * 3, b"%", b"x" * 5000))
        return data[:at] + extra + data[at + chosen.randrange(3) :]

    async def one() -> bytes:
        async with connected(fronts) as (reader, writer):
            writer.write(b"".join(damaged(chosen.choice(whole)) for _ in range(3)))
            writer.write_eof()
            return await ended(reader)

    for _ in range(20):
        answers = await asyncio.gather(*(one() for _ in range(15)))
        assert not any(b" 500 " in answer.partition(b"\r\n")[0] for answer in answers)
    assert (await fronts.http.get("/health")).text == "ready\n"
    faults = [one.getMessage() for one in caplog.records if one.levelname in ("ERROR", "CRITICAL")]
    assert not faults


@given(
    st.recursive(
        st.text(st.sampled_from('\\"ab{[,:'), max_size=6) | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
        max_leaves=20,
    )
)
def test_what_is_between_strings_is_found_whatever_they_hold(value: object) -> None:
    def frame(one: object) -> str:
        if isinstance(one, str):
            return ""
        if isinstance(one, list):
            return f"[{','.join(map(frame, one))}]"
        if isinstance(one, dict):
            return "{" + ",".join(f":{frame(inner)}" for inner in one.values()) + "}"
        return json.dumps(one)

    text = json.dumps(value, separators=(",", ":")).encode()
    assert json_messages.between_strings(text, LIMITS) == frame(value).encode()
