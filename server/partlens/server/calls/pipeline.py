"""Takes every call, from any transport, through the layers to its handler and back."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
)
from typing import Protocol

from google.protobuf.message import Message

from partlens.server.calls import call as calls
from partlens.server.calls.call import Call
from partlens.server.calls.method import Method
from partlens.server.errors import RequestError


class Layer(Protocol):
    """Something that every call goes through."""

    def around(
        self, call: Call
    ) -> AbstractContextManager[None] | AbstractAsyncContextManager[None]:
        """Entered before the request is read, left before the response is sent; may raise.

        Asynchronous only if it waits for something, as that takes twice as long.
        """
        ...


class Pipeline:
    """Answers calls inside layers.

    Args:
        layers: outermost first.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers

    async def answer(
        self, method: Method, call: Call, requests: AsyncGenerator[Message]
    ) -> AsyncGenerator[Message]:
        """The responses to a call. Close this generator when its caller is gone.

        The layers are entered before the first request is read, so a caller that is refused cannot
        make the server receive a large message. The response of a unary method is sent after they
        are left, so what it acknowledges is already in the audit log; what the call holds, such as
        its place, it keeps until then, or unread responses would pile up in memory.

        Raises:
            Exception: whatever a layer or the handler raises; see calls.status.
        """
        calls.enter(call)
        with call.held:
            async with aclosing(self._answered(method, call, requests)) as responses:
                async for response in responses:
                    yield response
                    call.sent()

    async def _answered(
        self, method: Method, call: Call, requests: AsyncGenerator[Message]
    ) -> AsyncGenerator[Message]:
        if method.kind == "unary":
            async with self._around(call), aclosing(_counted(requests, call)) as counted:
                response = await method.answer(await first(counted))
            yield response
            return
        async with self._around(call), aclosing(_counted(requests, call)) as counted:
            given = counted if method.kind == "bidi_stream" else await first(counted)
            async with aclosing(method.answer(given)) as responses:
                async for response in responses:
                    yield response

    @asynccontextmanager
    async def _around(self, call: Call) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for layer in self._layers:
                around = layer.around(call)
                if isinstance(around, AbstractAsyncContextManager):
                    await stack.enter_async_context(around)
                else:
                    stack.enter_context(around)
            yield


async def _counted(requests: AsyncGenerator[Message], call: Call) -> AsyncGenerator[Message]:
    async with aclosing(requests):
        async for request in requests:
            call.received()
            yield request
            del request


async def first(requests: AsyncIterator[Message]) -> Message:
    """The only request of a call; RequestError if there is none."""
    async for request in requests:
        return request
    raise RequestError("", "the call has no request")
