"""Maps errors to google.rpc.Status, with machine-readable details.

A caller sees the messages of errors in its own request. Other messages may name files on this
machine: they go to the log, and the caller gets a fixed text.
"""

import logging
import math
from dataclasses import dataclass

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from partlens.client.report import errors as reports
from partlens.common.files import lacks_descriptors
from partlens.explainer import errors as explainer
from partlens.indexer import errors as indexer
from partlens.server import errors as server
from partlens.server.calls.code import Code

DOMAIN = "partlens"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rule:
    """How to report an error to the caller.

    Attributes:
        reason: ErrorInfo.reason, for programs.
        text: message for the caller; None to use the error's own.
        retry_seconds: RetryInfo, if the same call may succeed later.
    """

    code: Code
    reason: str
    text: str | None = None
    retry_seconds: float | None = None


_OUT_OF_FILES = Rule(
    Code.UNAVAILABLE,
    "OUT_OF_FILES",
    "the server has no file descriptor left; retry, and ask its operator to allow it more",
    5.0,
)
# The first matching type applies; a RequestError has its own reason.
RULES: tuple[tuple[type[Exception], Rule], ...] = (
    (server.RequestError, Rule(Code.INVALID_ARGUMENT, "")),
    (server.StalePageError, Rule(Code.FAILED_PRECONDITION, "PAGE_TOKEN_STALE")),
    (server.UnknownQueryError, Rule(Code.NOT_FOUND, "QUERY_UNKNOWN")),
    (server.UnknownGalleryError, Rule(Code.NOT_FOUND, "GALLERY_UNKNOWN")),
    (
        server.AliasError,
        Rule(
            Code.UNAVAILABLE,
            "ALIASES_UNREADABLE",
            "the server cannot read or write the aliases of its galleries; see its log",
            30.0,
        ),
    ),
    (server.PictureUnavailableError, Rule(Code.NOT_FOUND, "PICTURE_UNAVAILABLE")),
    (
        server.UnknownStandingQueryError,
        Rule(Code.NOT_FOUND, "STANDING_QUERY_UNKNOWN"),
    ),
    (
        server.StandingQueryError,
        Rule(
            Code.UNAVAILABLE,
            "STANDING_UNWRITABLE",
            "the server cannot write to disk to save standing queries; see its log",
            30.0,
        ),
    ),
    (server.UnauthenticatedError, Rule(Code.UNAUTHENTICATED, "UNAUTHENTICATED")),
    (server.ForbiddenError, Rule(Code.PERMISSION_DENIED, "FORBIDDEN")),
    (
        server.TokenFileError,
        Rule(
            Code.UNAVAILABLE,
            "TOKENS_UNREADABLE",
            "the server cannot read its token file, so it refuses all calls; see its log",
            30.0,
        ),
    ),
    (
        server.AuditError,
        Rule(
            Code.UNAVAILABLE,
            "AUDIT_UNWRITABLE",
            "the server cannot write its audit log, so it refuses all calls; see its log",
            30.0,
        ),
    ),
    (server.RateError, Rule(Code.RESOURCE_EXHAUSTED, "RATE_EXCEEDED")),
    (server.OverloadedError, Rule(Code.RESOURCE_EXHAUSTED, "OVERLOADED")),
    (server.MessageSizeError, Rule(Code.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")),
    (server.SilentCallerError, Rule(Code.ABORTED, "CALLER_SILENT")),
    (server.CallerGoneError, Rule(Code.CANCELLED, "CALLER_GONE")),
    (server.NotReadyError, Rule(Code.UNAVAILABLE, "NOT_READY", None, 1.0)),
    (server.StoppingError, Rule(Code.UNAVAILABLE, "STOPPING", None, 5.0)),
    (
        reports.UnavailableFormatError,
        Rule(
            Code.UNIMPLEMENTED,
            "FORMAT_UNAVAILABLE",
            "this server cannot write PDF, since a library or a font is missing; ask for HTML, or"
            " ask its operator to install what its log names",
        ),
    ),
    (reports.ReportError, Rule(Code.INVALID_ARGUMENT, "REPORT_TOO_LARGE")),
    (explainer.ImageError, Rule(Code.INVALID_ARGUMENT, "IMAGE_INVALID")),
    (explainer.RegionError, Rule(Code.INVALID_ARGUMENT, "REGION_INVALID")),
    (explainer.ShapeError, Rule(Code.INVALID_ARGUMENT, "NOT_EXPLAINABLE")),
    (indexer.NotFoundError, Rule(Code.NOT_FOUND, "IMAGE_UNKNOWN")),
    (indexer.InvalidImageError, Rule(Code.INVALID_ARGUMENT, "NOT_STORABLE")),
    (
        indexer.ModelMismatchError,
        Rule(
            Code.FAILED_PRECONDITION,
            "MODEL_MISMATCH",
            "the gallery was built with another model; serve it with that model, or rebuild it",
        ),
    ),
    (
        indexer.LockedError,
        Rule(
            Code.UNAVAILABLE,
            "GALLERY_LOCKED",
            "another process is writing to the gallery; retry when it has finished",
            5.0,
        ),
    ),
    (
        indexer.UnreachableError,
        Rule(
            Code.UNAVAILABLE,
            "GALLERY_UNREACHABLE",
            "the server cannot reach the object store of the gallery; retry; see its log",
            5.0,
        ),
    ),
    (
        indexer.StorageError,
        Rule(
            Code.UNAVAILABLE,
            "GALLERY_UNWRITABLE",
            "the server cannot write images to disk; its operator must free space; see its log",
            30.0,
        ),
    ),
    (
        indexer.ShardError,
        Rule(
            Code.UNAVAILABLE,
            "SHARDS_UNAVAILABLE",
            "a part of the gallery cannot be searched now; retry, or allow a partial answer",
            1.0,
        ),
    ),
    (indexer.OutOfFilesError, _OUT_OF_FILES),
    (
        indexer.DamagedError,
        Rule(
            Code.DATA_LOSS,
            "GALLERY_DAMAGED",
            "the gallery's files are damaged; ask the server's operator to restore them",
        ),
    ),
)
_INTERNAL = Rule(Code.INTERNAL, "INTERNAL")


def rule_for(error: Exception) -> Rule:
    """The rule for an error; INTERNAL if the table has none."""
    rule = next((rule for type, rule in RULES if isinstance(error, type)), _INTERNAL)
    return _OUT_OF_FILES if rule is _INTERNAL and lacks_descriptors(error) else rule


def reason_of(error: Exception) -> str:
    """The reason to report for an error, for programs."""
    if isinstance(error, server.RequestError):
        return error.violation.reason
    return rule_for(error).reason


def code_of(error: BaseException) -> Code:
    """The status code of a call whose method raises this error."""
    if isinstance(error, Exception):
        return rule_for(error).code
    return Code.CANCELLED


def status_of(error: Exception, request_id: str) -> status_pb2.Status:
    """The status, with details, to report for an error. Logs what the caller must not see."""
    rule = rule_for(error)
    text = rule.text if rule.text is not None else str(error)
    details: list[Message] = []
    if isinstance(error, server.RequestError):
        details.append(_bad_request(error.violation))
    if rule is _INTERNAL:
        text = f"internal server error; see the server's log for request {request_id}"
    if rule is _INTERNAL or rule.text is not None:
        _log.error("%s: %s", request_id, error, exc_info=error)
    retry_seconds = rule.retry_seconds
    if isinstance(error, server.RefusedError):
        retry_seconds = error.retry_seconds
    if retry_seconds is not None:
        delay = Duration()
        delay.FromMilliseconds(math.ceil(retry_seconds * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    details.insert(0, error_details_pb2.ErrorInfo(reason=reason_of(error), domain=DOMAIN))
    return status_pb2.Status(
        code=code_pb2.Code.ValueType(rule.code), message=text, details=[_packed(d) for d in details]
    )


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
