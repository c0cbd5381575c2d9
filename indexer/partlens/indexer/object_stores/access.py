"""Clients of object stores, set up from the environment as other S3 clients are."""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore.store import S3Config

_TIMEOUT, _CONNECT = 20, 5
"""Seconds of one request, and of a connection."""


@dataclass(frozen=True)
class Patience:
    """How long requests that fail are sent again.

    Attributes:
        retries: after the first try.
        seconds: of all tries together.
    """

    retries: int
    seconds: int


SHORT, LONG = Patience(4, 15), Patience(6, 60)


def store(bucket: str, prefix: str | None = None, patience: Patience = SHORT) -> S3Store:
    """A client for the objects of a bucket. Nothing is sent yet.

    Args:
        prefix: what the names of the objects are relative to; None for the bucket.
        patience: SHORT where someone waits; LONG where a failure means that an image is skipped.
    """
    config: S3Config = {"endpoint": found} if (found := endpoint()) else {}
    return S3Store(
        bucket,
        prefix=prefix,
        config=config,
        client_options={
            "allow_http": _unencrypted(),
            "timeout": f"{_TIMEOUT}s",
            "connect_timeout": f"{_CONNECT}s",
        },
        retry_config={
            "max_retries": patience.retries,
            "retry_timeout": timedelta(seconds=patience.seconds),
        },
    )


def lance_options() -> dict[str, str]:
    """The same for Lance, which reads the rest from the environment itself."""
    found = endpoint()
    return {
        # Lance would take it from the environment too, but keeps clients by what is given here.
        **({"aws_endpoint": found} if found else {}),
        "allow_http": str(_unencrypted()).lower(),
        "timeout": f"{_TIMEOUT}s",
        "connect_timeout": f"{_CONNECT}s",
        # Lance tries again what its client has given up.
        "client_max_retries": "1",
        "client_retry_timeout": str(SHORT.seconds),
    }


def _unencrypted() -> bool:
    """Whether the endpoint that an operator chose is an http:// one."""
    return endpoint().startswith("http://")


def endpoint() -> str:
    """The address of the store that the environment names; "" for Amazon S3."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return next((found for name in names if (found := os.environ.get(name))), "")
