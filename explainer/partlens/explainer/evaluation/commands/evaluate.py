"""`partlens evaluate`: measure models and scores on annotated images."""

import click

from partlens.explainer.evaluation.commands.attributes import attributes
from partlens.explainer.evaluation.commands.diagnose import diagnose
from partlens.explainer.evaluation.commands.faithfulness import faithfulness
from partlens.explainer.evaluation.commands.feedback import feedback
from partlens.explainer.evaluation.commands.keypoints import keypoints
from partlens.explainer.evaluation.commands.localize import localize
from partlens.explainer.evaluation.commands.orient import orient
from partlens.explainer.evaluation.commands.parts import parts
from partlens.explainer.evaluation.commands.retrieval import retrieval


@click.group()
def evaluate() -> None:
    """Measure models, scores and explanations on annotated images."""


evaluate.add_command(attributes)
evaluate.add_command(diagnose)
evaluate.add_command(faithfulness)
evaluate.add_command(feedback)
evaluate.add_command(keypoints)
evaluate.add_command(localize)
evaluate.add_command(orient)
evaluate.add_command(parts)
evaluate.add_command(retrieval)
