"""Try an untrusted backbone once, in a child process that it may crash.

A network can loop without end, ask for all memory, or crash ONNX Runtime itself.
"""

import hashlib
import json
import sys
from pathlib import Path

from partlens.common.confined import GIB, ConfinedError, bounds_within, run_confined
from partlens.explainer.errors import ModelFileError
from partlens.explainer.onnx_graphs import parsed, require_self_contained

_CHILD = Path(__file__).with_name("trial_child.py")
SECONDS = 120.0
"""For loading the backbone and running one image."""
_MEMORY = 4 * GIB
"""In addition to the weights; ONNX Runtime may hold several copies of those."""
_COPIES = 4
_REMEMBERED = 64
_tried = dict[tuple[str, int, int], tuple[int, ...]]()


def feature_shape(model: bytes, height: int, width: int) -> tuple[int, ...]:
    """Shape of what a backbone gives for one image, without the axis of images.

    A model that has run in this process is not run again.

    Args:
        model: a serialised ONNX model.
        height, width: size of its input.

    Raises:
        ModelFileError: it reads other files, or does not run within 2 minutes and 4 GiB plus 4
            times its size.
    """
    key = (hashlib.sha256(model).hexdigest(), height, width)
    if key not in _tried:
        require_self_contained(parsed(model), "the backbone")
        shape = _run(model, height, width)
        if len(_tried) >= _REMEMBERED:
            del _tried[next(iter(_tried))]
        _tried[key] = shape
    return _tried[key]


def _run(model: bytes, height: int, width: int) -> tuple[int, ...]:
    bounds = bounds_within(_MEMORY + _COPIES * len(model), SECONDS)
    asked = {"memory": bounds.memory, "seconds": SECONDS, "pixels": [1, 3, height, width]}
    # -P: a file next to the script must not replace an installed package.
    command = [sys.executable, "-P", str(_CHILD)]
    try:
        given = json.dumps(asked).encode() + b"\n" + model
        answer = json.loads(run_confined(command, given, bounds))
    except ConfinedError as error:
        raise ModelFileError(f"the backbone, tried on one image, {error}") from error
    except ValueError as error:
        raise ModelFileError("the backbone, tried on one image, gave no answer") from error
    match answer:
        case {"shape": [*sizes]} if sizes[:1] == [1] and all(type(n) is int for n in sizes):
            return tuple(sizes[1:])
        case {"shape": shape}:
            raise ModelFileError(f"the backbone gives {shape} for one image; [1, ...] is needed")
        case {"error": str(why)}:
            raise ModelFileError(
                f"the backbone is no ONNX model that can be run on one image of {height}x{width}:"
                f" {why}"
            )
    raise ModelFileError("the backbone, tried on one image, gave no answer")
