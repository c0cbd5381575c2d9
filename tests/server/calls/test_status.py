"""The table of errors: every error we raise has a row, and none tells of the inside."""

import logging

import grpc
import pytest
from google.rpc import error_details_pb2

from partlens.explainer import errors as explainer
from partlens.indexer import errors as indexer
from partlens.server import errors as server
from partlens.server.calls.status import RULES, rule_for, status_of

SECRET = "/srv/galleries/secret"


@pytest.mark.parametrize(
    "error",
    [ValueError(SECRET), OSError(SECRET), indexer.DamagedError(SECRET)],
    ids=["bug", "file", "damage"],
)
def test_what_no_caller_can_mend_is_logged_and_not_told(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        status = status_of(error, "id-7")
    assert SECRET not in str(status) and type(error).__name__ not in str(status)
    assert SECRET in caplog.text


def test_an_internal_error_gives_the_reference_that_the_log_has(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status = status_of(ValueError(SECRET), "id-7")
    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert status.message.endswith("id-7") and "id-7" in caplog.text


def test_what_may_succeed_later_says_when() -> None:
    retry = error_details_pb2.RetryInfo()
    assert status_of(server.NotReadyError("loading"), "id-7").details[1].Unpack(retry)
    assert retry.retry_delay.ToSeconds() == 1


def test_every_error_of_ours_that_a_call_can_meet_has_a_row() -> None:
    kinds = [
        kind
        for base in (explainer.ExplainerError, indexer.IndexerError, server.ServerError)
        for kind in base.__subclasses__()
    ]
    startup = {"ModelError", "SourceError", "GalleryError", "RefusedError"}
    startup |= {"ListenError", "CertificateError", "SettingsError", "GpuError"}
    startup |= {"OpenError", "ExtractionError", "ClusterError", "EngineError"}
    evaluation = {"AnnotationError", "TableError", "MapsError"}
    # Met by workers and bridges, and where queries are shared.
    redis = {"EntryError", "UploadError", "SnapshotError"}
    # GetPicture raises PictureUnavailableError for it.
    pictures = {"OriginalError"}
    without = {kind.__name__ for kind in kinds if rule_for_type(kind) is None}
    assert without <= startup | evaluation | redis | pictures


def rule_for_type(kind: type[Exception]) -> object:
    return next((rule for type, rule in RULES if issubclass(kind, type)), None)


def test_the_first_row_that_fits_decides() -> None:
    error = server.PageTokenError("no")
    assert rule_for(error) is RULES[0][1]
    for i, (kind, _) in enumerate(RULES):
        assert not any(issubclass(kind, earlier) for earlier, _ in RULES[:i])
