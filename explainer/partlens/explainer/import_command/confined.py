"""An import in a child process with bounds on memory and time."""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from partlens.common.confined import Bounds, ConfinedError, allowed, run_confined
from partlens.common.durable import move_into_place
from partlens.explainer.errors import ModelError
from partlens.explainer.import_command.request import ImportRequest
from partlens.explainer.import_command.source import MissingOptionError
from partlens.explainer.model import require_free


def import_confined(request: ImportRequest, folder: Path, bounds: Bounds) -> list[str]:
    """Import a network into a model folder, all of it or nothing, in a child process.

    Returns:
        Lines that describe the model and what was measured.

    Raises:
        MissingOptionError: the request lacks an option.
        ModelError: it cannot be imported, needs more memory or time, or crashes.
    """
    require_free(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        lines = _run(request, draft / "model", bounds)
        move_into_place(draft / "model", folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return lines


def _run(request: ImportRequest, folder: Path, bounds: Bounds) -> list[str]:
    asked = {
        "memory": bounds.memory,
        "seconds": bounds.seconds,
        "request": request.to_json(),
        "folder": str(folder),
        "path": sys.path,
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
        case {"lines": [*lines]}:
            return [str(line) for line in lines]
        case {"error": str(why), "usage": True}:
            raise MissingOptionError(why)
        case {"error": str(why)} if "memory" in why:
            raise ModelError(f"{why} ({allowed(bounds)}; --memory-limit)")
        case {"error": str(why)}:
            raise ModelError(why)
    raise ModelError("the import gave no answer")
