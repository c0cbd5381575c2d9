"""`partlens doctor`: what is installed, whether it works, and how to fix it."""

import platform
from collections.abc import Mapping
from pathlib import Path

import click

from partlens.common.terminal import complain, say
from partlens.runtime.config.options import config_options
from partlens.server.doctor.installation import (
    FAISS,
    examine,
    installed,
    try_faiss,
    try_starter_model,
)
from partlens.server.doctor.trial import Trial


@click.command()
@config_options
def doctor(file: Path | None, texts: tuple[str, ...]) -> None:
    """Check the installation and whether a server would start; report problems and exit 1.

    With a server's settings (partlens.toml, the environment, --set), also check what they name:
    model, gallery, disk, audit log, certificate, tokens, Redis.
    """
    report = examine(installed())
    say(f"python {platform.python_version()}")
    for name, version in report.versions.items():
        say(f"{name} {version or 'not installed'}")
    active = [name for name in FAISS if report.versions.get(name)]
    say(f"active faiss: {active[0] if len(active) == 1 else 'none that can be relied on'}")
    trials: dict[str, Trial] = {"module faiss": try_faiss(), "starter model": try_starter_model()}
    if not report.complaints:
        trials.update(_deployment(file, texts))
    for name, trial in trials.items():
        say(f"{name}: {trial.finding}")
    complaints = list(report.complaints)
    # A missing package has been reported already.
    if not complaints:
        complaints = [trial.complaint for trial in trials.values() if trial.complaint]
    for complaint in complaints:
        complain(f"complaint: {complaint}")
    if complaints:
        raise SystemExit(1)


def _deployment(file: Path | None, texts: tuple[str, ...]) -> Mapping[str, Trial]:
    # Imported late: these modules need packages that may be missing.
    from partlens.runtime.config.cli import load_or_fail
    from partlens.server.doctor.deployment import trials

    return trials(load_or_fail(file, texts).settings)
