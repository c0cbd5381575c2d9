"""A child process that imports one network, which may be untrusted.

On its standard input: JSON with `memory` and `seconds`, its bounds; `request`; `folder`, the model
folder to write, or `most`, the number of layers to measure for a suggestion; and `path`, where
Python looks for modules. On its standard output: JSON with `lines` to print or a `suggestion`, or
`error` with `usage`, whether an option is missing.
"""

import json
import os
import sys
import traceback
from pathlib import Path

from partlens.common.confined import Bounds


def main() -> None:
    """Confine this process and import."""
    asked = json.load(sys.stdin)
    bounds = Bounds(asked["memory"], asked["seconds"])
    bounds.confine()
    answers = os.dup(1)
    os.dup2(2, 1)  # a factory's own output must not mix with the answer
    sys.path += [place for place in asked["path"] if place not in sys.path]
    with os.fdopen(answers, "w", encoding="utf-8") as file:
        json.dump(_answer(asked), file)


def _answer(asked: dict[str, object]) -> dict[str, object]:
    from partlens.explainer.errors import ExplainerError
    from partlens.explainer.import_command.request import ImportRequest
    from partlens.explainer.import_command.source import MissingOptionError
    from partlens.explainer.import_command.writing import suggested, write

    try:
        request = ImportRequest.from_json(asked["request"])  # type: ignore[arg-type]
        seconds = float(str(asked["seconds"]))
        if "most" in asked:
            found = suggested(request, seconds, int(str(asked["most"])))
            return {"suggestion": found.to_json()}
        return {"lines": write(request, Path(str(asked["folder"])), seconds)}
    except ExplainerError as error:
        return {"error": str(error), "usage": isinstance(error, MissingOptionError)}
    except Exception as error:
        return {"error": _unexpected(error), "usage": False}


def _unexpected(error: Exception) -> str:
    said = str(error)[:1000]
    if isinstance(error, MemoryError | OverflowError) or "allocate memory" in said:
        return f"the network is too large for the memory that an import may use: {said}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}:{last.lineno}"
    return f"unexpected {type(error).__name__} at {place}: {said}. Please report it"


if __name__ == "__main__":
    main()
