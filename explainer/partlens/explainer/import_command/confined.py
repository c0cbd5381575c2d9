"""An import in a child process with bounds on memory and time."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from partlens.common.confined import Bounds, ConfinedError, allowed, run_confined
from partlens.explainer.drafts import drafted
from partlens.explainer.errors import ModelError
from partlens.explainer.import_command.request import ImportRequest
from partlens.explainer.import_command.source import MissingOptionError
from partlens.explainer.import_command.suggestion import Suggestion


def import_confined(request: ImportRequest, folder: Path, bounds: Bounds) -> list[str]:
    """Import a network into a model folder, all of it or nothing, in a child process.

    Returns:
        Lines that describe the model and what was measured.

    Raises:
        MissingOptionError: the request lacks an option.
        ModelError: it cannot be imported, needs more memory or time, or crashes.
    """
    with drafted(folder) as draft:
        answer = _run(request, {"folder": str(draft)}, bounds)
    return [str(line) for line in answer["lines"]]


def suggest_confined(request: ImportRequest, most: int, bounds: Bounds) -> Suggestion:
    """What an import of a network would give at its last layers, measured in a child process.

    Args:
        most: layers to measure.

    Raises:
        MissingOptionError: the request lacks an option.
        ModelError: it cannot be read or run, needs more memory or time, or crashes.
    """
    return Suggestion.from_json(_run(request, {"most": most}, bounds)["suggestion"])


def _run(request: ImportRequest, task: Mapping[str, object], bounds: Bounds) -> dict[str, Any]:
    """The child's answer, with `lines` or a `suggestion`."""
    asked = {
        "memory": bounds.memory,
        "seconds": bounds.seconds,
        "request": request.to_json(),
        "path": sys.path,
        **task,
    }
    command = [sys.executable, "-P", "-m", "partlens.explainer.import_command.child"]
    try:
        given = json.dumps(asked).encode()
        answer = json.loads(run_confined(command, given, bounds, quiet=False))
    except ConfinedError as error:
        raise ModelError(
            f"the import {error}. If the network is sound, raise --time-limit or --memory-limit"
        ) from error
    match answer:
        case {"lines": [*_]} | {"suggestion": {}}:
            return dict(answer)
        case {"error": str(why), "usage": True}:
            raise MissingOptionError(why)
        case {"error": str(why)} if "memory" in why:
            raise ModelError(f"{why} ({allowed(bounds)}; --memory-limit)")
        case {"error": str(why)}:
            raise ModelError(why)
    raise ModelError("the import gave no answer")
