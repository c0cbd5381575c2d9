"""A locked server that one token attacks, and what another token gets meanwhile."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import head_modules
import numpy as np
from served import DEADLINE, picture
from server_process import ServerProcess, server_process
from tests.hostile import attacks

from partlens.common.metadata import Metadata
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.indexer.gallery import Gallery, NewImage
from partlens.server.access import tokens
from partlens.server.access.token_file import TokenFile
from partlens.v1 import gallery_service_pb2 as gallery_pb

IMAGES = 3000
ATTACK_SECONDS = 60.0
_PAUSE = 0.02
_OPTIONS = (("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1))


@dataclass(frozen=True)
class Locked:
    """A server that asks for tokens.

    Attributes:
        attacker, victim: texts of two tokens that may do everything.
        file: the token file.
        attacker_id: id of the attacker's token.
        credentials: with which to connect; None without TLS.
    """

    process: ServerProcess
    attacker: str
    victim: str
    file: TokenFile
    attacker_id: str
    credentials: grpc.ChannelCredentials | None = None

    @property
    def memory(self) -> int:
        """Resident bytes of the server."""
        return _status(self.process.process.pid, "VmRSS")

    @property
    def internal(self) -> int:
        """Calls that were answered with INTERNAL so far."""
        return self.process.log.read_text().count('"code": "INTERNAL"')

    def channel(self) -> grpc.aio.Channel:
        """A connection of its own."""
        if self.credentials is not None:
            return grpc.aio.secure_channel(self.process.address, self.credentials, options=_OPTIONS)
        return grpc.aio.insecure_channel(self.process.address, options=_OPTIONS)


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


@contextmanager
def locked(
    folder: Path, *more: str, credentials: grpc.ChannelCredentials | None = None
) -> Iterator[Locked]:
    """A locked server over IMAGES synthetic images.

    Args:
        more: options of `partlens serve`.
        credentials: with which to connect to a server with TLS.
    """
    net = head_modules.make("two branches")
    model = MetricModel.from_module(
        net, feature_layer="stem", preprocessing=Preprocessing(32, 16), name="tiny", licence="MIT"
    ).save(folder / "model")
    spec, random = model.spec, np.random.default_rng(0)
    thumbnail = picture(0)
    with Gallery.create(folder / "gallery", spec) as gallery:
        gallery.add(
            [
                NewImage(
                    id=f"{n:05}",
                    uri=f"file:///{n}.png",
                    media_digest=f"sha256:{n}",
                    width=30,
                    height=44,
                    thumbnail=thumbnail,
                    metadata=Metadata(camera=f"gate {n % 4}", attributes={"number": str(n)}),
                    contributions=random.standard_normal((spec.positions, spec.dimensions)).astype(
                        np.float32
                    ),
                    bias=random.standard_normal(spec.dimensions).astype(np.float32),
                )
                for n in range(IMAGES)
            ]
        )
        gallery.compact()
    file = TokenFile(folder / "tokens.json")
    made = [
        tokens.create(name, frozenset({"search", "ingest", "admin"})) for name in ("bad", "good")
    ]
    for token, _ in made:
        file.add(token)
    options = ["--set", f"access.tokens={file.path}", *more]
    with server_process(folder / "model", folder / "gallery", *options) as server:
        yield Locked(server, made[0][1], made[1][1], file, made[0][0].id, credentials)


def metadata(token: str) -> tuple[tuple[str, str], ...]:
    """What a call with a token sends besides its message."""
    return (("authorization", f"Bearer {token}"),) if token else ()


@dataclass
class Figures:
    """What an attack did.

    Attributes:
        callers: calls that the attacker made.
        internal: calls that the server answered with INTERNAL, by its log.
        codes: how they ended.
        details: messages of those that were refused.
        get_image, search: seconds that each of the victim's calls took.
        refused: calls of the victim that failed, by status.
        peak, after: resident bytes of the server at most, and when the attack was over.
        lost: images that were acknowledged and are not there.
    """

    name: str
    callers: int = 0
    internal: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    details: set[str] = field(default_factory=set)
    get_image: list[float] = field(default_factory=list)
    search: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    before: int = 0
    peak: int = 0
    after: int = 0
    lost: int = 0

    def __str__(self) -> str:
        slowest = [max(times, default=0.0) for times in (self.get_image, self.search)]
        return (
            f"{self.name}: {self.callers} callers {dict(self.codes)}; victim: GetImage"
            f" {slowest[0]:.2f} s at most of {len(self.get_image)}, search {slowest[1]:.2f} s at"
            f" most of {len(self.search)}, refused {dict(self.refused)}; memory"
            f" {self.before >> 20} -> {self.peak >> 20} -> {self.after >> 20} MiB; INTERNAL"
            f" {self.internal}; lost acknowledgements {self.lost}"
        )

    async def call(self, channel: grpc.aio.Channel, token: str, path: str, message: bytes,
                   timeout: float = ATTACK_SECONDS) -> bytes:  # fmt: skip
        """One of the attacker's calls, as raw bytes; b"" if it was refused."""
        self.callers += 1
        try:
            ask: Any = channel.unary_unary(path)
            answer: bytes = await ask(message, timeout=timeout, metadata=metadata(token))
        except grpc.aio.AioRpcError as error:
            self.codes[error.code().name] += 1
            self.details.add(error.details() or "")
            return b""
        self.codes["OK"] += 1
        return answer

    async def upload(
        self, channel: grpc.aio.Channel, token: str, messages: Iterable[bytes]
    ) -> list[gallery_pb.UpsertImagesResponse]:
        """Answers to a stream of the attacker's."""
        self.callers += 1
        answers = list[gallery_pb.UpsertImagesResponse]()
        ask: Any = channel.stream_stream(
            attacks.UPSERT,
            response_deserializer=gallery_pb.UpsertImagesResponse.FromString,
        )
        call = ask(iter(messages), timeout=ATTACK_SECONDS, metadata=metadata(token))
        try:
            async for answer in call:
                answers.append(answer)
        except grpc.aio.AioRpcError as error:
            self.details.add(error.details() or "")
        # gRPC's own name for a stream that ended while the client was still sending.
        cut_off = await call.details() == "Internal error from Core"
        self.codes["cut off" if cut_off else (await call.code()).name] += 1
        return answers


async def lost(server: Locked, ids: Iterable[str]) -> int:
    """How many of these images cannot be shown."""
    missing = 0
    async with server.channel() as channel:
        get: Any = channel.unary_unary(attacks.GET)
        for id in ids:
            asked = gallery_pb.GetImageRequest(id=id).SerializeToString()
            try:
                await get(asked, timeout=DEADLINE, metadata=metadata(server.victim))
            except grpc.aio.AioRpcError:
                missing += 1
    return missing


@asynccontextmanager
async def watched(server: Locked, name: str) -> AsyncIterator[Figures]:
    """Measures what the victim gets within the block; prints it in the end."""
    figures = Figures(name)
    figures.before = figures.peak = server.memory
    already = server.internal
    ended = asyncio.Event()
    async with server.channel() as channel:
        get: Any = channel.unary_unary(attacks.GET)
        find: Any = channel.unary_unary(attacks.SEARCH)
        image = gallery_pb.GetImageRequest(id="00001").SerializeToString()
        asked = attacks.search(1).SerializeToString()

        async def ask(times: list[float], call: Callable[..., Awaitable[bytes]], of: bytes) -> None:
            while True:
                begun = time.monotonic()
                try:
                    await call(of, timeout=DEADLINE, metadata=metadata(server.victim))
                except grpc.aio.AioRpcError as error:
                    figures.refused[error.code().name] += 1
                times.append(time.monotonic() - begun)
                if ended.is_set():
                    return
                await asyncio.sleep(_PAUSE)

        async def weigh() -> None:
            while not ended.is_set():
                figures.peak = max(figures.peak, server.memory)
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), _PAUSE)

        tasks = [
            asyncio.create_task(ask(figures.get_image, get, image)),
            asyncio.create_task(ask(figures.search, find, asked)),
            asyncio.create_task(weigh()),
        ]
        try:
            await asyncio.sleep(5 * _PAUSE)
            yield figures
        finally:
            ended.set()
            await asyncio.gather(*tasks)
            figures.after = server.memory
            figures.internal = server.internal - already
            print(figures)
