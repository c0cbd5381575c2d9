"""How object stores are reached: from the environment, as other S3 clients are."""

import os
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.store import S3Store

from partlens.common.bucket_address import BucketAddress

if TYPE_CHECKING:
    from obstore.store import S3Config

_TIMEOUT, _CONNECT, _RETRIES, _RETRYING = 20, 5, 4, 15
"""Seconds of one request and of a connection; tries again, and seconds of all tries together."""


def store(address: BucketAddress) -> S3Store:
    """A client for the objects of a gallery. Nothing is sent yet."""
    config: S3Config = {"endpoint": found} if (found := endpoint()) else {}
    return S3Store(
        address.bucket,
        prefix=address.prefix,
        config=config,
        client_options={
            "allow_http": _unencrypted(),
            "timeout": f"{_TIMEOUT}s",
            "connect_timeout": f"{_CONNECT}s",
        },
        retry_config={
            "max_retries": _RETRIES,
            "retry_timeout": timedelta(seconds=_RETRYING),
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
        "client_retry_timeout": str(_RETRYING),
    }


def _unencrypted() -> bool:
    """Whether the endpoint that an operator chose is an http:// one."""
    return endpoint().startswith("http://")


def endpoint() -> str:
    """The address of the store that the environment names; "" for Amazon S3."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return next((found for name in names if (found := os.environ.get(name))), "")
