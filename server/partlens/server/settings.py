"""What an operator can set; every setting with its default and what it is for."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, cast

from partlens.explainer.images import ImageLimits
from partlens.server.errors import SettingsError


def _setting(default: float, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class ServerSettings:
    """The settings of a server, all numbers of at least 1 (grace_seconds of at least 0).

    Raises:
        SettingsError: a value outside that.
    """

    request_bytes: int = _setting(
        32 * 2**20, "largest picture, and (with 64 KiB beside it) largest request message, in bytes"
    )
    response_bytes: int = _setting(
        64 * 2**20, "largest response message, in bytes; page sizes must keep below it"
    )
    image_pixels: int = _setting(
        64_000_000, "largest picture, in pixels after decoding; what has more is never decoded"
    )
    query_images: int = _setting(8, "pictures in one search at most")
    regions: int = _setting(32, "regions in one request at most")
    search_page_size: int = _setting(100, "hits on one page of a search at most")
    search_depth: int = _setting(1000, "hits over all pages of a search at most")
    list_page_size: int = _setting(1000, "images on one page of a listing at most")
    kept_queries: int = _setting(
        256, "query images kept for the next call, each rows * cols * dimensions * 4 bytes"
    )
    upsert_batch: int = _setting(
        32, "uploaded images that share one commit at most, and that wait for it in memory"
    )
    upsert_batch_bytes: int = _setting(64 * 2**20, "their size together, in bytes")
    workers: int = _setting(4, "threads that run the model and search the gallery")
    concurrent_calls: int = _setting(256, "calls in progress at most; others are refused at once")
    grace_seconds: float = _setting(10.0, "how long a stopping server lets calls finish")

    def __post_init__(self) -> None:
        for setting in fields(self):
            value, least = getattr(self, setting.name), 0 if setting.type is float else 1
            if not (math.isfinite(value) and value >= least):
                raise SettingsError(f"setting {setting.name} {value}: must be at least {least}")

    @property
    def image_limits(self) -> ImageLimits:
        """What decoding a picture accepts."""
        return ImageLimits(max_bytes=self.request_bytes, max_pixels=self.image_pixels)

    @classmethod
    def from_texts(cls, pairs: Iterable[tuple[str, str]]) -> "ServerSettings":
        """Settings from (name, value) texts; what is not named keeps its default.

        Raises:
            SettingsError: an unknown name or a value that is not a number in range.

        >>> ServerSettings.from_texts([("regions", "4")]).regions
        4
        """
        types = {setting.name: setting.type for setting in fields(cls)}
        values: dict[str, Any] = {}
        for name, text in pairs:
            if name not in types:
                raise SettingsError(
                    f"setting {name!r} does not exist; there are {', '.join(types)}"
                )
            try:
                values[name] = cast("type[int | float]", types[name])(text)
            except ValueError as error:
                raise SettingsError(f"setting {name}: {text!r} is not a number") from error
        return cls(**values)


def table() -> str:
    """Every setting with its default and what it is for, one a line."""
    return "\n".join(
        f"{s.name} = {s.default}: {s.metadata['help']}" for s in fields(ServerSettings)
    )
