"""Types of the settings' values, with their checks."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from partlens.client import address as addresses
from partlens.client.errors import AddressError
from partlens.common.bucket_address import BucketAddress, read_place
from partlens.common.gallery_names import RULE, is_gallery_name
from partlens.common.moments import duration

# Within what gRPC, Redis and the system's clocks can represent.
_MOST = 2_000_000_000
Count = Annotated[int, Ge(1), Le(_MOST)]
Size = Annotated[int, Ge(0), Le(_MOST)]
Rate = Annotated[float, Gt(0), Le(_MOST), Field(allow_inf_nan=False)]
Timeout = Annotated[float, Gt(0), Le(2_000_000), Field(allow_inf_nan=False)]
Share = Annotated[float, Gt(0), Le(1), Field(allow_inf_nan=False)]
Duration = Annotated[float, Ge(0), Le(_MOST), Field(allow_inf_nan=False)]


def _server_address(text: str) -> str:
    return _checked(lambda: str(addresses.parse(text)))


def _listening_address(text: str) -> str:
    return _checked(lambda: str(addresses.parse(text, listening=True)))


def _host_names(text: str) -> str:
    for name in text.split():
        if re.search(r"[,/@\[\]]|:\d+$", name) and name.count(":") < 2:
            raise ValueError("must be names or IP addresses, with spaces between them, no ports")
    return text


def _web_address(text: str) -> str:
    return checked_url(text, {"http": 80, "https": 443})


def checked_url(text: str, ports: Mapping[str, int]) -> str:
    """Return a URL after checking its scheme, host and port.

    Args:
        ports: allowed schemes, each with its default port.

    Raises:
        ValueError: the text is not such a URL.
        PydanticCustomError: the same, but the text may hold a password and must not be shown.
    """

    def check() -> str:
        addresses.of_url(text, ports)
        return text

    if "@" not in text:
        return _checked(check)
    try:
        return check()
    except AddressError as error:
        raise PydanticCustomError("password", "{problem}", {"problem": error.problem}) from error


def _period(text: str) -> str:
    duration(text)
    return text


def _period_or_never(text: str) -> str:
    if text != "never":
        try:
            duration(text)
        except ValueError as error:
            raise ValueError(f"{error}, or never") from error
    return text


def _gallery_name(text: str) -> str:
    if not is_gallery_name(text):
        raise ValueError(f"must be a name: {RULE}")
    return text


def _folders(given: object) -> object:
    return [one for one in given.split(os.pathsep) if one] if isinstance(given, str) else given


def _gallery_place(given: object) -> object:
    if not isinstance(given, str):
        return given
    try:
        return read_place(given) if given else None
    except ValueError as error:
        if "@" in given:
            raise PydanticCustomError("password", "{problem}", {"problem": str(error)}) from error
        raise


def _checked(check: Callable[[], str]) -> str:
    try:
        return check()
    except AddressError as error:
        raise ValueError(error.problem) from error


ServerAddress = Annotated[str, AfterValidator(_server_address)]
"""HOST:PORT to connect to."""
ListeningAddress = Annotated[str, AfterValidator(_listening_address)]
"""HOST:PORT to listen on; port 0 picks a free port."""
Folders = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_folders)]
"""Folders; a text names several like PATH does."""
RetentionPeriod = Annotated[str, AfterValidator(_period)]
"""Hours, days or weeks, such as 12h, 30d or 8w."""
GalleryRetention = Annotated[str, AfterValidator(_period_or_never)]
"""A retention period, or never."""
HostNames = Annotated[str, AfterValidator(_host_names)]
"""Names or IP addresses without ports, with spaces between them."""
WebAddress = Annotated[str, AfterValidator(_web_address)]
"""http:// or https:// address."""
GalleryPlace = Annotated[Path | BucketAddress, BeforeValidator(_gallery_place)]
"""A gallery's folder, or s3://BUCKET/NAME."""
OptionalGalleryPlace = Annotated[Path | BucketAddress | None, BeforeValidator(_gallery_place)]
"""The same; an empty text is none, so that a flag can take back what a file sets."""
GalleryName = Annotated[str, AfterValidator(_gallery_name)]
"""Name of a gallery."""


@dataclass(frozen=True)
class Secret:
    """Marks a setting that is never shown, since any part of it may be a secret."""


SecretAddress = Annotated[WebAddress, Secret()]
"""A web address that may hold a password or a token."""
