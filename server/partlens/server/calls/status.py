"""Errors, as gRPC status: one table, and google.rpc details a program can act on.

A caller sees the message of an error that is about what it sent. Other messages may name files of
this machine; they go to the log, and the caller gets a fixed text.
"""

import logging
import math
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status  # type: ignore[import-untyped, unused-ignore]

from partlens.explainer import errors as explainer
from partlens.indexer import errors as indexer
from partlens.server import errors as server

DOMAIN = "partlens"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rule:
    """How an error is answered.

    Attributes:
        reason: ErrorInfo.reason, for programs.
        text: what the caller is told; None for the error's own message.
        retry_seconds: RetryInfo, where the same call may succeed later.
    """

    code: grpc.StatusCode
    reason: str
    text: str | None = None
    retry_seconds: float | None = None


# The first type that an error is an instance of decides; a RequestError has its own reason.
RULES: tuple[tuple[type[Exception], Rule], ...] = (
    (server.RequestError, Rule(grpc.StatusCode.INVALID_ARGUMENT, "")),
    (server.StalePageError, Rule(grpc.StatusCode.FAILED_PRECONDITION, "PAGE_TOKEN_STALE")),
    (server.UnknownQueryError, Rule(grpc.StatusCode.NOT_FOUND, "QUERY_UNKNOWN")),
    (
        server.UnknownStandingQueryError,
        Rule(grpc.StatusCode.NOT_FOUND, "STANDING_QUERY_UNKNOWN"),
    ),
    (
        server.StandingQueryError,
        Rule(
            grpc.StatusCode.UNAVAILABLE,
            "STANDING_UNWRITABLE",
            "the server's disk takes no more standing queries; its log says why",
            30.0,
        ),
    ),
    (server.UnauthenticatedError, Rule(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")),
    (server.ForbiddenError, Rule(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")),
    (
        server.TokenFileError,
        Rule(
            grpc.StatusCode.UNAVAILABLE,
            "TOKENS_UNREADABLE",
            "the server cannot read its tokens and lets nobody in; its log says why",
            30.0,
        ),
    ),
    (
        server.AuditError,
        Rule(
            grpc.StatusCode.UNAVAILABLE,
            "AUDIT_UNWRITABLE",
            "the server cannot write its audit log and answers nothing; its log says why",
            30.0,
        ),
    ),
    (server.RateError, Rule(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_EXCEEDED")),
    (server.OverloadedError, Rule(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")),
    (server.CallerGoneError, Rule(grpc.StatusCode.CANCELLED, "CALLER_GONE")),
    (server.NotReadyError, Rule(grpc.StatusCode.UNAVAILABLE, "NOT_READY", None, 1.0)),
    (server.StoppingError, Rule(grpc.StatusCode.UNAVAILABLE, "STOPPING", None, 5.0)),
    (explainer.ImageError, Rule(grpc.StatusCode.INVALID_ARGUMENT, "IMAGE_INVALID")),
    (explainer.RegionError, Rule(grpc.StatusCode.INVALID_ARGUMENT, "REGION_INVALID")),
    (explainer.ShapeError, Rule(grpc.StatusCode.INVALID_ARGUMENT, "NOT_EXPLAINABLE")),
    (indexer.NotFoundError, Rule(grpc.StatusCode.NOT_FOUND, "IMAGE_UNKNOWN")),
    (indexer.InvalidImageError, Rule(grpc.StatusCode.INVALID_ARGUMENT, "NOT_STORABLE")),
    (
        indexer.ModelMismatchError,
        Rule(
            grpc.StatusCode.FAILED_PRECONDITION,
            "MODEL_MISMATCH",
            "the gallery was made with another model; serve it with that one, or index it again",
        ),
    ),
    (
        indexer.LockedError,
        Rule(
            grpc.StatusCode.UNAVAILABLE,
            "GALLERY_LOCKED",
            "another process is writing to the gallery; try again when it is done",
            5.0,
        ),
    ),
    (
        indexer.StorageError,
        Rule(
            grpc.StatusCode.UNAVAILABLE,
            "GALLERY_UNWRITABLE",
            "the server's disk takes no more images; its operator must make room; its log says why",
            30.0,
        ),
    ),
    (
        indexer.DamagedError,
        Rule(
            grpc.StatusCode.DATA_LOSS,
            "GALLERY_DAMAGED",
            "the gallery's files are damaged; the server's operator must restore them",
        ),
    ),
)
_INTERNAL = Rule(grpc.StatusCode.INTERNAL, "INTERNAL")


def rule_for(error: Exception) -> Rule:
    """The table's row for an error; INTERNAL where it has none."""
    return next((rule for type, rule in RULES if isinstance(error, type)), _INTERNAL)


def code_of(error: BaseException) -> grpc.StatusCode:
    """The code that a call ends with when its method raises this."""
    if isinstance(error, Exception):
        return rule_for(error).code
    return grpc.StatusCode.CANCELLED


def status_of(error: Exception, request_id: str) -> status_pb2.Status:
    """The status that a caller gets for an error, with its details. Logs what the caller is not
    told."""
    rule = rule_for(error)
    reason, text = rule.reason, rule.text if rule.text is not None else str(error)
    details: list[Message] = []
    if isinstance(error, server.RequestError):
        reason = error.violation.reason
        details.append(_bad_request(error.violation))
    if rule is _INTERNAL:
        text = f"the server failed; its log has the cause under {request_id}"
    if rule is _INTERNAL or rule.text is not None:
        _log.error("%s: %s", request_id, error, exc_info=error)
    retry_seconds = rule.retry_seconds
    if isinstance(error, server.RefusedError):
        retry_seconds = error.retry_seconds
    if retry_seconds is not None:
        delay = Duration()
        delay.FromMilliseconds(math.ceil(retry_seconds * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    details.insert(0, error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN))
    code: int = rule.code.value[0]
    return status_pb2.Status(
        code=code_pb2.Code.ValueType(code), message=text, details=[_packed(d) for d in details]
    )


async def abort(
    context: grpc.aio.ServicerContext[Any, Any], error: Exception, request_id: str
) -> None:
    """Ends a call with the status of an error; raises, as context.abort does."""
    rich = rpc_status.to_status(status_of(error, request_id))
    await context.abort(rich.code, rich.details, rich.trailing_metadata)


def _bad_request(violation: server.Violation) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=violation.field, description=violation.description, reason=violation.reason
            )
        ]
    )


def _packed(detail: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed
