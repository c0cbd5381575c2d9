"""The gRPC health service."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_OF = health_pb2.HealthCheckResponse


class HealthService(health_pb2_grpc.HealthServicer):  # type: ignore[misc, unused-ignore]
    """Answers Check and Watch.

    The servicer of grpcio-health-checking holds a lock while it writes to a watcher, so one that
    reads nothing would keep every later status from everyone. Here no watcher holds up a change.
    For use on the event loop.

    Attributes:
        stopping: whether the server is stopping.
    """

    def __init__(self) -> None:
        self._status: dict[str, int] = {}
        self._changed = asyncio.Event()
        self.stopping = False

    def set(self, name: str, status: int) -> None:
        """Sets the status of a service, unless the server is stopping."""
        if not self.stopping and self._status.get(name) != status:
            self._status[name] = status
            self._changed.set()
            self._changed = asyncio.Event()

    def stop(self) -> None:
        """Sets every service to NOT_SERVING for good."""
        for name in self._status:
            self.set(name, _OF.NOT_SERVING)
        self.stopping = True

    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> health_pb2.HealthCheckResponse:
        """The status of a service; NOT_FOUND if there is none of this name."""
        status = self._status.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no service of this name")
        return _answer(status)

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> AsyncGenerator[health_pb2.HealthCheckResponse]:
        """The status of a service now and after each change, without those in between."""
        told: int | None = None
        while True:
            changed = self._changed
            status = self._status.get(request.service, _OF.SERVICE_UNKNOWN)
            if status != told:
                yield _answer(status)
                told = status
            else:
                await changed.wait()


def _answer(status: Any) -> health_pb2.HealthCheckResponse:
    answer = health_pb2.HealthCheckResponse()
    answer.status = status
    return answer
