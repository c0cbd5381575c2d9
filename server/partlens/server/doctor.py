"""`partlens doctor`: what is installed, and what would go wrong with it."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

import click

_SHOWN = ("partlens", "grpcio", "torch", "onnxruntime", "pylance")
_FAISS = ("faiss-cpu", "faiss-gpu")


@dataclass(frozen=True)
class Report:
    """What the doctor found.

    Attributes:
        versions: of each package by name; None where it is not installed.
        complaints: what is wrong and what to do; empty if nothing is.
    """

    versions: Mapping[str, str | None]
    complaints: tuple[str, ...]


def examine(versions: Mapping[str, str | None]) -> Report:
    """Judges the versions of installed packages.

    >>> examine({"faiss-cpu": "1.15.1", "faiss-gpu": None}).complaints
    ()
    """
    present = [name for name in _FAISS if versions.get(name)]
    complaints = [
        f"{name} is not installed; install the extra partlens[server]"
        for name in _SHOWN
        if name in versions and not versions[name]
    ]
    if len(present) == 2:
        complaints.append(
            "faiss-cpu and faiss-gpu are both installed, and each overwrites the other's module"
            " faiss; uninstall both, then install the one you want"
        )
    elif not present:
        complaints.append(
            "neither faiss-cpu nor faiss-gpu is installed; install partlens[faiss-cpu], or"
            " partlens[faiss-gpu] for a GPU"
        )
    return Report(versions, tuple(complaints))


def installed() -> dict[str, str | None]:
    """The version of every package that matters, None where it is not installed."""
    found: dict[str, str | None] = {}
    for name in (*_SHOWN, *_FAISS):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


@click.command()
def doctor() -> None:
    """Show the versions that matter; exit 1 with a complaint if they cannot work."""
    report = examine(installed())
    click.echo(f"python {platform.python_version()}")
    for name, version in report.versions.items():
        click.echo(f"{name} {version or 'not installed'}")
    active = [name for name in _FAISS if report.versions.get(name)]
    click.echo(f"active faiss: {active[0] if len(active) == 1 else 'none that can be relied on'}")
    for complaint in report.complaints:
        click.echo(f"complaint: {complaint}", err=True)
    if report.complaints:
        raise SystemExit(1)
