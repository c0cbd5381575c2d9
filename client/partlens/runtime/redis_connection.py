"""Connections to Redis from the settings: address, user, password file, TLS."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from partlens.common.redaction import redacted
from partlens.runtime.config.sections import RedisSection
from partlens.runtime.errors import SettingsError
from partlens.runtime.secret_files import read_secret

SECONDS = 3.0


def connect(settings: RedisSection, seconds: float = SECONDS) -> Redis:
    """A client for asyncio; it connects on first use, and reconnects after a lost connection.

    Args:
        seconds: time limit for one command and for connecting.

    Raises:
        SettingsError: the address is missing, or a file cannot be read.
    """
    # One immediate retry: a connection that Redis closed while idle fails only when used.
    retry = Retry(NoBackoff(), 1)
    with _clear_errors():
        return Redis.from_url(_url(settings), **_options(settings, seconds), retry=retry)


def connect_blocking(settings: RedisSection, seconds: float = SECONDS) -> redis.Redis:
    """The same for code that blocks."""
    with _clear_errors():
        return redis.Redis.from_url(_url(settings), **_options(settings, seconds))


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError) as error:
        if isinstance(error, SettingsError):
            raise
        raise SettingsError(redacted(f"redis.url cannot be used: {error}")) from error


def _url(settings: RedisSection) -> str:
    if settings.url is None:
        raise SettingsError("give redis.url, for example redis://127.0.0.1:6379/0")
    return settings.url


def _options(settings: RedisSection, seconds: float) -> dict[str, Any]:
    options: dict[str, Any] = {
        "username": settings.user,
        "password": _password(settings),
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "client_name": "partlens",
        # Detects dead connections.
        "health_check_interval": 15,
    }
    if settings.url and settings.url.startswith("rediss:"):
        files = {
            "ssl_ca_certs": settings.ca,
            "ssl_certfile": settings.certificate,
            "ssl_keyfile": settings.key,
        }
        options |= {name: str(file) for name, file in files.items() if file is not None}
        options |= {"ssl_check_hostname": True, "ssl_cert_reqs": "required"}
    return options


def _password(settings: RedisSection) -> str | None:
    file = settings.password_file
    return None if file is None else read_secret(file, "redis.password_file")
