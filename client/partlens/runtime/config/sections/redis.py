"""Settings of the Redis server that servers share."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from pydantic import field_validator
from pydantic_core import PydanticCustomError

from partlens.runtime.config.sections.section import Section
from partlens.runtime.config.sections.values import Count, Size, checked_url


class RedisSection(Section):
    """A Redis server (7 or later) shared by the servers of one gallery. One server needs none."""

    url: str | None = None
    """redis://HOST:PORT/NUMBER, or rediss:// for TLS; never with a password"""
    user: str | None = None
    """Redis user name, if Redis has several users"""
    password_file: Path | None = None
    """file that holds the Redis password"""
    ca: Path | None = None
    """PEM file of the authority that must have issued its certificate; default: the system's"""
    certificate: Path | None = None
    """PEM file of the client certificate, if Redis asks for one"""
    key: Path | None = None
    """PEM file of its private key"""
    prefix: str = "partlens"
    """prefix of every key, stream and channel name; the same only for servers of the same
    galleries"""
    query_seconds: Count = 3600
    """how long a query picture and its features are kept in Redis after their last use"""
    picture_bytes: Size = 8 * 2**20
    """largest query picture that is kept in Redis, in bytes; 0 keeps none there"""

    @field_validator("url")
    @classmethod
    def _without_password(cls, url: str | None) -> str | None:
        if url and "@" in url:
            # Not quoted: it may hold a password.
            raise PydanticCustomError(
                "password", "must hold no user or password; use password_file"
            )
        if url is not None:
            checked_url(url, {"redis": 6379, "rediss": 6379})
            if {"password", "username"} & parse_qs(urlsplit(url).query).keys():
                raise PydanticCustomError(
                    "password", "must hold no user or password; use password_file"
                )
            if not re.fullmatch(r"/?\d{0,9}", urlsplit(url).path):
                raise ValueError("must end in a database number, such as redis://HOST:PORT/0")
        return url
