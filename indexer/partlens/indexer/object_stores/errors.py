"""Errors of an object store: which of them mean that it cannot be reached, and what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError, InvalidPathError

from partlens.indexer.errors import UnreachableError

# Lance and obstore give these texts only.
_OF_A_STORE = re.compile(
    r"Generic S3 error|Server returned non-2xx|Error performing [A-Z]+ https?:"
)
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_ADVICE = (
    (
        r"<Code>NoSuchBucket",
        "there is no such bucket; create it, or correct the address and AWS_ENDPOINT_URL",
    ),
    (
        r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|code: 30\d",
        "the bucket is in another region; set AWS_REGION to that of the bucket",
    ),
    (
        r"code: 40[13]|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|Unauthenticated",
        "the store refuses it; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what the"
        " credentials may do in the bucket",
    ),
    (
        r"[Cc]redential",
        "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (
        r"code: (?:429|5\d\d)|SlowDown",
        "the store is overloaded or failing; try again later",
    ),
)
_MOST_SAID = 300
_OTHERWISE = "the store cannot be reached; check the network and AWS_ENDPOINT_URL, and try again"


def unreachable(what: str, error: BaseException) -> UnreachableError | None:
    """The error to raise if a store gave no answer that counts; None for any other error, such as
    that an object does not exist.

    Args:
        what: what failed, as the beginning of the message.
    """
    text = str(error)
    of_store = isinstance(error, BaseError) or _OF_A_STORE.search(text)
    if not of_store or _is_missing(error):
        return None
    return UnreachableError(f"{what}: {reason(error)}")


def reason(error: BaseException) -> str:
    """Why a request to a store failed, and what to do, in one line."""
    text = str(error)
    if _is_missing(error):
        return "there is no such object"
    if isinstance(error, InvalidPathError):
        # The rest is debugging output.
        return " ".join(text.split("\n\n")[0].split())[:_MOST_SAID]
    advice = next((said for form, said in _ADVICE if re.search(form, text)), _OTHERWISE)
    found = _CODE.search(text) or _STATUS.search(text)
    return f"{advice} ({found[1]})" if found else advice


def _is_missing(error: BaseException) -> bool:
    """Whether the store says that an object, not the bucket, does not exist."""
    text = str(error)
    missing = isinstance(error, FileNotFoundError) or "status code: 404" in text
    return missing and "<Code>NoSuchBucket" not in text


@contextmanager
def reaching(place: str) -> Iterator[None]:
    """Turn errors of a request into UnreachableError; FileNotFoundError passes.

    Args:
        place: name of the object.
    """
    try:
        yield
    except (OSError, BaseError) as error:
        if found := unreachable(f"{place} cannot be read or written", error):
            raise found from error
        raise
