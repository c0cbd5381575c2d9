"""`partlens doctor`: what is installed, whether it works, and how to fix it."""

import platform
from collections.abc import Mapping
from pathlib import Path

import click

from partlens.common.redaction import redacted
from partlens.common.results import json_option, say_result
from partlens.common.terminal import complain
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
@json_option
def doctor(file: Path | None, texts: tuple[str, ...], as_json: bool) -> None:
    """Check the installation and whether a server would start; report problems and exit 1.

    With a server's settings (partlens.toml, the environment, --set), also check what they name:
    model, gallery, disk, audit log, certificate, tokens, Redis, the cluster of the shards.
    """
    report = examine(installed())
    versions = {"python": platform.python_version(), **report.versions}
    active = [name for name in FAISS if report.versions.get(name)]
    trials: dict[str, Trial] = {"module faiss": try_faiss(), "starter model": try_starter_model()}
    if not report.complaints:
        trials.update(_deployment(file, texts))
    lines = [f"{name} {version or 'not installed'}" for name, version in versions.items()]
    lines.append(f"active faiss: {active[0] if len(active) == 1 else 'none that can be relied on'}")
    lines += [f"{name}: {trial.finding}" for name, trial in trials.items()]
    complaints = list(report.complaints)
    # A missing package has been reported already.
    if not complaints:
        complaints = [trial.complaint for trial in trials.values() if trial.complaint]
    facts = {
        "versions": versions,
        "active_faiss": active[0] if len(active) == 1 else None,
        "findings": {name: trial.finding for name, trial in trials.items()},
        "complaints": [redacted(complaint) for complaint in complaints],
    }
    say_result(facts, "\n".join(lines), as_json=as_json)
    for complaint in complaints:
        complain(f"complaint: {complaint}")
    if complaints:
        raise SystemExit(1)


def _deployment(file: Path | None, texts: tuple[str, ...]) -> Mapping[str, Trial]:
    # Imported late: these modules need packages that may be missing.
    from partlens.runtime.config.cli import load_or_fail
    from partlens.server.doctor.deployment import trials

    return trials(load_or_fail(file, texts).settings)
