"""The settings of a server, from flags, the environment and partlens.toml."""

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from partlens.common.redaction import redacted, redacted_url
from partlens.runtime.config.sections import (
    AccessSection,
    BridgeSection,
    IngestSection,
    LimitsSection,
    ObserveSection,
    RedisSection,
    RetentionSection,
    Secret,
    Section,
    ServerSection,
    ShardsSection,
    StandingSection,
)
from partlens.runtime.errors import SettingsError

CONFIG_FILE = Path("partlens.toml")
PREFIX = "PARTLENS__"
Values = dict[str, dict[str, Any]]


class Settings(BaseSettings):
    """Every setting, by section. The constructor reads nothing from outside; load does."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
    )

    server: ServerSection = ServerSection()
    access: AccessSection = AccessSection()
    limits: LimitsSection = LimitsSection()
    observe: ObserveSection = ObserveSection()
    redis: RedisSection = RedisSection()
    ingest: IngestSection = IngestSection()
    bridge: BridgeSection = BridgeSection()
    standing: StandingSection = StandingSection()
    retention: RetentionSection = RetentionSection()
    shards: ShardsSection = ShardsSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use constructor arguments only: load merges the other sources and keeps the origins."""
        return (init_settings,)


@dataclass(frozen=True)
class Loaded:
    """The effective settings, and the origin of each.

    Attributes:
        origins: "section.key" -> "flag", "environment" or the file's name; no entry for defaults.
    """

    settings: Settings
    origins: Mapping[str, str]


def load(flags: Values | None = None, file: Path | None = None) -> Loaded:
    """The effective settings: flags > environment (PARTLENS__SECTION__KEY) > file > defaults.

    Args:
        flags: {section: {key: value}}; values may be texts.
        file: a TOML file; None reads partlens.toml if the working folder has one.

    Raises:
        SettingsError: an unknown setting, an invalid value, or a file that cannot be read.
    """
    if file is None:
        file = file_here()
    merged: Values = {}
    origins: dict[str, str] = {}
    for origin, values in (
        (str(file), _from_file(file) if file else {}),
        ("environment", _from_environment()),
        ("flag", flags or {}),
    ):
        for section, pairs in values.items():
            if not isinstance(pairs, dict):
                raise SettingsError(f"{origin}: {section} must be a section of keys and values")
            merged.setdefault(section, {}).update(pairs)
            origins.update({f"{section}.{key}": origin for key in pairs})
    try:
        return Loaded(Settings.model_validate(merged), origins)
    except ValidationError as error:
        raise SettingsError(_explained(error, origins)) from error


def file_here() -> Path | None:
    """partlens.toml of the working folder; None if it has none.

    Raises:
        SettingsError: this user may not look into the working folder.
    """
    try:
        return CONFIG_FILE if CONFIG_FILE.exists() else None
    except PermissionError as error:
        raise SettingsError(
            f"this user may not read the working folder, where {CONFIG_FILE} is looked for; run the"
            " command in another folder, such as the server's"
        ) from error


def from_texts(texts: Iterable[str]) -> Values:
    """Values from texts like "limits.regions=4".

    Raises:
        SettingsError: a malformed text, or a setting with two values.

    >>> from_texts(["limits.regions=4"])
    {'limits': {'regions': '4'}}
    """
    values: Values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        section, dot, key = name.partition(".")
        if not (equals and dot and section and key):
            raise SettingsError(f"{redacted(text)!r} is not SECTION.KEY=VALUE")
        if values.setdefault(section, {}).setdefault(key, value) != value:
            raise SettingsError(f"--set {name} is given twice, with different values; give it once")
    return values


def _from_environment() -> Values:
    # The library ignores variables of unknown sections, so a typo would go unnoticed.
    known: dict[str, str] = {}
    for name in os.environ:
        if name.upper().startswith(PREFIX) and known.setdefault(name.upper(), name) != name:
            raise SettingsError(
                f"environment variables {known[name.upper()]} and {name} are the same setting; give"
                " it once"
            )
        section = name[len(PREFIX) :].partition("__")[0].lower()
        if name.upper().startswith(PREFIX) and section not in Settings.model_fields:
            raise SettingsError(
                f"environment variable {name}: there is no section {section!r}; the sections are"
                f" {', '.join(Settings.model_fields)}{_nearest(section, Settings.model_fields)}"
            )
        _require_no_slip(name)
    return EnvSettingsSource(Settings)()


def _require_no_slip(variable: str) -> None:
    """Refuse a variable that looks like a setting, but would be ignored.

    Others that begin with PARTLENS_ are not ours to judge: a container platform makes
    PARTLENS_SERVICE_HOST and more for a service of that name.
    """
    upper = variable.upper()
    if not upper.startswith(PREFIX[:-1]) or upper.startswith(PREFIX):
        return
    variables = [f"{PREFIX}{name.replace('.', '__')}".upper() for name in _names()]
    same = upper.replace("_", "") in {one.replace("_", "") for one in variables}
    if "__" in upper or same:
        raise SettingsError(
            f"environment variable {variable} is not a setting{_nearest(upper, variables)};"
            f" settings begin with {PREFIX}, with two underscores also between section and key"
        )


def _names() -> list[str]:
    return [
        f"{section}.{key}"
        for section, field in Settings.model_fields.items()
        for key in cast("type[Section]", field.annotation).model_fields
    ]


def secrets() -> frozenset[str]:
    """Names of the settings that are never shown, such as "standing.webhook"."""
    return frozenset(
        name for name in _names() if _is_secret(_field(name).annotation, _field(name).metadata)
    )


def _field(name: str) -> FieldInfo:
    section, _, key = name.partition(".")
    return cast("type[Section]", Settings.model_fields[section].annotation).model_fields[key]


def _is_secret(annotation: Any, metadata: Iterable[object] = ()) -> bool:
    marks = (*metadata, *getattr(annotation, "__metadata__", ()))
    return Secret() in marks or any(_is_secret(one) for one in get_args(annotation))


def _nearest(name: str, names: Iterable[str]) -> str:
    found = get_close_matches(name, names, 1)
    return f"; did you mean {found[0]}?" if found else ""


def _from_file(file: Path) -> Values:
    if not file.exists():
        raise SettingsError(f"{file} does not exist; give a TOML file of settings")
    try:
        return TomlConfigSettingsSource(Settings, file)()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from error


def _explained(error: ValidationError, origins: Mapping[str, str]) -> str:
    lines = []
    for one in error.errors(include_url=False):
        message = one["msg"].removeprefix("Value error, ")
        name = ".".join(str(part) for part in one["loc"][:2])
        origin = f" (from {origins[name]})" if name in origins else ""
        if one["type"] == "extra_forbidden":
            lines.append(
                f"setting {name} does not exist{origin}{_nearest(name, _names())};"
                " see `partlens config docs`"
            )
        elif one["type"] == "password" or name in secrets():
            lines.append(f"setting {name}{origin}: {message}")
        else:
            value = one["input"]
            shown = redacted_url(value) if isinstance(value, str) else value
            lines.append(f"setting {name} = {shown!r}{origin}: {message}")
    return "\n".join(lines)
