"""The one table of settings, and what is made from it: the docs page and `partlens config show`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args, get_origin

from annotated_types import Ge, Gt
from pydantic.fields import FieldInfo

from partlens.runtime.config.sections import Section
from partlens.runtime.config.settings import PREFIX, Loaded, Settings

_KINDS = {int: "whole number", float: "number", bool: "true or false", str: "text"}


@dataclass(frozen=True)
class Row:
    """One setting.

    Attributes:
        kind: what it takes, in words.
        default: as TOML; "" where it has none.
        help: what it is for.
    """

    section: str
    key: str
    kind: str
    default: str
    help: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"{PREFIX}{self.section}__{self.key}".upper()


def sections() -> dict[str, type[Section]]:
    """Every section by name."""
    return {
        name: cast("type[Section]", field.annotation)
        for name, field in Settings.model_fields.items()
    }


def rows() -> Iterator[Row]:
    """Every setting, section by section."""
    for name, section in sections().items():
        for key, field in section.model_fields.items():
            default = "" if field.default is None else toml(field.default)
            yield Row(name, key, _kind(field), default, field.description or "")


def toml(value: Any) -> str:
    """A setting's value in TOML.

    >>> toml(Path("a b")), toml(True), toml(2.5)
    ('"a b"', 'true', '2.5')
    """
    # JSON's texts, numbers and truth values are TOML's as well.
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


def shown(loaded: Loaded) -> str:
    """The settings in force as a TOML file, each with where it came from."""
    lines = []
    for name in sections():
        lines.append(f"[{name}]")
        for key, value in getattr(loaded.settings, name):
            origin = loaded.origins.get(f"{name}.{key}", "default")
            text = f"# {key} is not set" if value is None else f"{key} = {toml(value)}"
            lines.append(f"{text}  # {origin}" if value is not None else text)
        lines.append("")
    return "\n".join(lines).rstrip()


_INTRODUCTION = f"""# Configuration

<!-- Made by `partlens config docs`; a test compares. Change client/partlens/runtime/config. -->

A setting is taken from the first of: a flag of `partlens serve` (`--set SECTION.KEY=VALUE` sets
any), an environment variable `{PREFIX}SECTION__KEY`, the file `partlens.toml` of the working folder
(or `--config FILE`), its default. `partlens config show` prints what is in force and where it came
from. A name that does not exist is an error. Secrets are never settings: a setting names the file
that holds one.

HOST:PORT is a name or an IP address (an IPv6 address in brackets) and a port, without `http://`.
Numbers are finite and at most 2,000,000,000. Which connections use a proxy is in
[operating.md](operating.md#proxies)."""


def markdown() -> str:
    """docs/configuration.md."""
    parts = [_INTRODUCTION]
    for name, section in sections().items():
        lines = ["| setting | takes | default | what it is for |", "| --- | --- | --- | --- |"]
        for row in rows():
            if row.section == name:
                default = f"`{row.default}`" if row.default else "none"
                lines.append(f"| `{row.key}` | {row.kind} | {default} | {row.help} |")
        parts += [f"## {name}", (section.__doc__ or "").strip(), "\n".join(lines)]
    return "\n\n".join(parts)


def _kind(field: FieldInfo) -> str:
    type = field.annotation
    if get_origin(type) is Literal:
        return "one of " + ", ".join(get_args(type))
    if type in _KINDS:
        bounds = [f", at least {m.ge}" for m in field.metadata if isinstance(m, Ge)]
        bounds += [f", above {m.gt}" for m in field.metadata if isinstance(m, Gt)]
        return _KINDS[type] + "".join(bounds)
    members = {get_args(one)[0] if get_origin(one) is Annotated else one for one in get_args(type)}
    return "text" if str in members else "path"
