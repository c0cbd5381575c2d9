"""Compares a measurement with an earlier one of the same images and queries."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from partlens.common.files import read_file
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.part_quality import PartEvaluation
from partlens.explainer.evaluation.sampling import Interval, Tally


class Change(NamedTuple):
    """Change of a mean, and its 95 % interval; see Tally.change_from."""

    value: float
    interval: Interval | None


def read_earlier(file: Path) -> dict[str, PartEvaluation]:
    """The rankings of an earlier run, from what it printed with --json.

    Raises:
        AnnotationError: the file is missing, or is not such an output; names it.
    """
    try:
        found = json.loads(read_file(file))
    except (OSError, ValueError, RecursionError) as error:
        raise AnnotationError(f"{file} cannot be read as JSON: {error}") from error
    try:
        return {
            str(ranking): PartEvaluation(
                Tally.from_json(one["counts"]["precision_at_10"]),
                Tally.from_json(one["counts"]["part_hit"]),
            )
            for ranking, one in found.items()
        }
    except (AttributeError, KeyError, TypeError, AnnotationError) as error:
        raise AnnotationError(
            f"{file} is not what this command prints with --json: {error!r}"
        ) from error


def changes(
    now: Mapping[str, PartEvaluation], before: Mapping[str, PartEvaluation]
) -> dict[str, dict[str, Change]]:
    """Changes of the means, by ranking and name, of the rankings that both have.

    Raises:
        AnnotationError: they did not measure the same groups and labels.
    """
    return {
        ranking: {
            name: Change(*tally.change_from(before[ranking].tallies[name]))
            for name, tally in one.tallies.items()
        }
        for ranking, one in now.items()
        if ranking in before
    }
