"""`partlens starter`: generated pictures and the starter model."""

import json
from pathlib import Path

import click

from partlens.common.terminal import say

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def starter() -> None:
    """Generated pictures of people, and the small model trained on them."""


@starter.command()
@click.option("--count", type=click.IntRange(0), default=400, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--per-person", type=click.IntRange(1), default=4, show_default=True)
@click.option("--out", type=_FOLDER, required=True, help="Folder to write to.")
def pictures(count: int, seed: int, per_person: int, out: Path) -> None:
    """Write pictures with manifest.csv (for an index), images.csv and parts.csv (for evaluate)."""
    from partlens.explainer.starter.pictures import generate
    from partlens.explainer.starter.pictures.manifest import write_pictures

    written = write_pictures(generate(count, seed, per_person), out)
    say(f"{written} pictures in {out}")


@starter.command()
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--steps", type=click.IntRange(1), default=500, show_default=True)
@click.option("--out", type=_FOLDER, required=True, help="Model folder to create.")
def train(seed: int, steps: int, out: Path) -> None:
    """Train the starter model; needs `pip install "partlens[train]"`."""
    from partlens.explainer.errors import ModelFileError
    from partlens.explainer.starter.saving import save
    from partlens.explainer.starter.training import TrainingSettings
    from partlens.explainer.starter.training import train as run

    if out.exists():
        raise click.ClickException(f"{out} already exists; choose another name or remove it")

    def progress(step: int, loss: float) -> None:
        if step % 20 == 0 or step == steps - 1:
            say(f"step {step + 1}/{steps}  loss {loss:.3f}", err=True)

    try:
        network, report = run(TrainingSettings(seed=seed, steps=steps), progress)
        save(network, report, out)
    except ModelFileError as error:
        raise click.ClickException(str(error)) from error
    say(json.dumps(report.to_json()))


@starter.command()
def where() -> None:
    """Print the folder of the starter model."""
    from partlens.explainer.starter import model_folder

    say(model_folder())
