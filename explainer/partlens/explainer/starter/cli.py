"""`partlens starter`: generated pictures and the starter model."""

from pathlib import Path

import click

from partlens.common.results import json_option, say_result
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
@json_option
def pictures(count: int, seed: int, per_person: int, out: Path, as_json: bool) -> None:
    """Write pictures with manifest.csv (for an index), images.csv and parts.csv (for evaluate)."""
    from partlens.explainer.starter.pictures import generate
    from partlens.explainer.starter.pictures.manifest import write_pictures

    written = write_pictures(generate(count, seed, per_person), out)
    facts = {"pictures": written, "folder": str(out)}
    say_result(facts, f"{written} pictures in {out}", as_json=as_json)


@starter.command()
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--steps", type=click.IntRange(1), default=500, show_default=True)
@click.option("--out", type=_FOLDER, required=True, help="Model folder to create.")
@json_option
def train(seed: int, steps: int, out: Path, as_json: bool) -> None:
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
    facts = report.to_json()
    text = "\n".join(f"{name}: {value}" for name, value in facts.items())
    say_result(facts, text, as_json=as_json)


@starter.command()
@json_option
def where(as_json: bool) -> None:
    """Print the folder of the starter model."""
    from partlens.explainer.starter import model_folder

    folder = str(model_folder())
    say_result({"folder": folder}, folder, as_json=as_json)
