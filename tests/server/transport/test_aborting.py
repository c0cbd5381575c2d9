"""A call that is refused leaves nothing behind."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from partlens.server.errors import RequestError
from partlens.server.transport.aborting import abort


class Request:
    """Stands for a large message."""


class Aborted(Exception):
    """What gRPC raises, and keeps."""


class Context:
    """A context of gRPC, of which only the end is used."""

    def __init__(self) -> None:
        self.kept: list[BaseException] = []

    async def abort(self, *_: object) -> None:
        error = Aborted()
        self.kept.append(error)
        raise error


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def refuse(request: Request) -> None:
    try:
        raise ValueError(str(request))
    except ValueError as error:
        raise RequestError("image", "it cannot be read") from error


async def answer(request: Request, context: Any) -> None:
    try:
        refuse(request)
    except Exception as error:
        await abort(context, error, "id")


async def test_a_refused_request_is_freed_without_a_garbage_collection(
    no_collection: None,
) -> None:
    context, requests = Context(), [Request()]
    alive = weakref.ref(requests[0])
    try:
        await answer(requests.pop(), context)
    except Aborted as error:
        error.__traceback__ = None  # gRPC's own frames end with the call
    assert context.kept and alive() is None
