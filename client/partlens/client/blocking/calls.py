# Written by scripts/write_sync_client.py from asynchronous/calls.py; change that file instead.
"""The connection of a client, and what its calls go through."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from grpc_health.v1.health_pb2_grpc import HealthStub

from partlens.client import checks
from partlens.client.channel import DEADLINE, NO_CREDENTIALS, Credentials, open_channel, route
from partlens.client.errors import ServerError
from partlens.client.request_ids import answered
from partlens.client.retries import READ_RETRIES
from partlens.client.rpc_errors import from_rpc
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub
from partlens.v1.part_search_service_pb2_grpc import PartSearchServiceStub
from partlens.v1.report_service_pb2_grpc import ReportServiceStub
from partlens.v1.standing_query_service_pb2_grpc import StandingQueryServiceStub


class Calls:
    """A connection to a server, and what every call over it goes through.

    The arguments are those of Client.
    """

    def __init__(
        self,
        target: str,
        deadline: float = DEADLINE,
        credentials: Credentials = NO_CREDENTIALS,
        gallery: str = "",
    ) -> None:
        self.gallery = checks.text("gallery", gallery)
        self.deadline = checks.seconds("deadline", deadline)
        self._route, self._metadata = route(target, credentials), credentials.metadata
        self.target = str(self._route.target)
        self._channel = open_channel(self._route, credentials, READ_RETRIES)
        self._search = PartSearchServiceStub(self._channel)
        self._gallery = GalleryServiceStub(self._channel)
        self._standing = StandingQueryServiceStub(self._channel)
        self._report = ReportServiceStub(self._channel)
        self._health = HealthStub(self._channel)
        self._is_current = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _ask(
        self,
        method: Any,
        request: Message,
        deadline: float | None,
        gallery: str | None = None,
    ) -> Any:
        response, _ = self._ask_with_id(method, request, deadline, gallery)
        return response

    def _ask_with_id(
        self, method: Any, request: Message, deadline: float | None, gallery: str | None
    ) -> tuple[Any, str]:
        self._name(request, gallery, deadline)
        return self._send(method, request, deadline)

    def _send(self, method: Any, request: Message, deadline: float | None) -> tuple[Any, str]:
        with self._errors():
            return answered(method, request, self._within(deadline), self._metadata)

    def _name(self, request: Any, gallery: str | None, deadline: float | None) -> None:
        """Put the name of the gallery into a request, or into the one inside it."""
        name = self._named(gallery)
        if name:
            self._require_current("named galleries", deadline)
            inner = {"ReportSearchRequest": "search", "ReportPairRequest": "pair"}
            field = inner.get(request.DESCRIPTOR.name)
            (getattr(request, field) if field else request).gallery = name

    def _named(self, gallery: str | None) -> str:
        return self.gallery if gallery is None else checks.text("gallery", gallery)

    def _within(self, deadline: float | None) -> float:
        return self.deadline if deadline is None else checks.seconds("deadline", deadline)

    def _require_known(self, where: image_pb.Filter, deadline: float | None) -> None:
        """Raise ServerError if the server would ignore a condition of the filter."""
        if where.all_of or where.any_of or where.none_of or where.attribute_conditions:
            self._require_current("a condition of this filter", deadline)

    def _require_current(self, for_what: str, deadline: float | None) -> None:
        """Raise ServerError if the server is of version 0.1, which ignores newer fields.

        It would answer from another gallery than the named one, or with images that do not pass.
        """
        if not self._is_current:
            request = gallery_pb.ListGalleriesRequest()
            try:
                self._send(self._gallery.ListGalleries, request, deadline)
            except ServerError as error:
                if error.code != grpc.StatusCode.UNIMPLEMENTED:
                    raise
                raise self._too_old(for_what) from error
            self._is_current = True

    def _too_old(self, for_what: str) -> ServerError:
        return ServerError(
            f"the server at {self._route} is too old for {for_what}, and would ignore it: update"
            " the server",
            grpc.StatusCode.UNIMPLEMENTED,
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise from_rpc(error, self._route) from error
