"""`partlens evaluate`: what a model and a score are worth on annotated images."""

import click


@click.group()
def evaluate() -> None:
    """Measure models, scores and explanations on annotated images."""
