"""Whether a server is ready, and what is wrong with it."""

import asyncio
import time
from contextlib import suppress

from grpc_health.v1 import health_pb2

from partlens.client import checks
from partlens.client.asynchronous.calls import Calls
from partlens.client.channel import DEADLINE, FILES_HEALTH, HEALTH_PARTS
from partlens.client.errors import ClientError, DeadlineError, NotFoundError, UnavailableError


class HealthCalls(Calls):
    """Calls of the health service."""

    async def wait_until_ready(self, timeout: float = DEADLINE) -> None:
        """Return as soon as the server is ready.

        Raises:
            UnavailableError: the server is not ready within `timeout` seconds.
        """
        end = time.monotonic() + checks.seconds("timeout", timeout)
        why = "it does not answer"
        while (left := end - time.monotonic()) > 0:
            try:
                if await self._is_serving(left):
                    return
                why = (
                    "; ".join(await self.problems(deadline=left))
                    or "it is still loading, or stopping"
                )
            except DeadlineError:
                pass  # the previous reason is more informative
            except ClientError as error:
                why = str(error)
            await asyncio.sleep(min(0.05, left))
        raise UnavailableError(
            f"the server at {self._route} is not ready after {timeout:g} s: {why}"
        )

    async def is_ready(self, *, deadline: float | None = None) -> bool:
        """Return whether the server serves now: False while it loads or stops. Needs no token.

        Raises:
            ClientError: the server cannot be reached.
        """
        return await self._is_serving(self._within(deadline))

    async def files_are_sound(self) -> bool:
        """Return whether the gallery has no known damaged files. Needs no token.

        Raises:
            ClientError: the server cannot be reached.
            NotFoundError: the server's version is too old to answer.
        """
        return await self._is_serving(self.deadline, FILES_HEALTH)

    async def problems(self, *, deadline: float | None = None) -> tuple[str, ...]:
        """Return what the server says is wrong with it, one text each. Needs no token.

        Raises:
            ClientError: the server cannot be reached.
        """
        found, seconds = list[str](), self._within(deadline) / len(HEALTH_PARTS)
        for part, meaning in HEALTH_PARTS.items():
            with suppress(NotFoundError):  # the server's version is too old to answer
                if not await self._is_serving(seconds, part):
                    found.append(meaning)
        return tuple(found)

    async def _is_serving(self, seconds: float, service: str = "") -> bool:
        check = self._health.Check  # pyright: ignore[reportAttributeAccessIssue]
        request = health_pb2.HealthCheckRequest(service=service)
        with self._errors():
            answer = await check(request, timeout=seconds)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
