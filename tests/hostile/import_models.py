"""Imports changed ONNX files in this process; run by test_models.py, with bounds.

Arguments: the first seed and the number of seeds. Writes one line of JSON for each.
"""

import json
import random
import sys
import tempfile
from pathlib import Path

import onnx
from model_folders import COLS, ROWS, convolution
from mutated_models import mutated_bytes, mutated_model
from onnx import helper

from partlens.common.confined import GIB, Bounds
from partlens.explainer.errors import ExplainerError
from partlens.explainer.importing.onnx_file import from_onnx_file
from partlens.explainer.preprocessing import Preprocessing


def main() -> None:
    """Import each, and say what came of it."""
    Bounds(3 * GIB, 600).confine()
    first, count = int(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            print(json.dumps({"seed": seed, "outcome": outcome(Path(folder) / "m.onnx", seed)}))


def outcome(path: Path, seed: int) -> str:
    """What an import of a changed file ends in."""
    choose = random.Random(seed)
    made = convolution()
    made.graph.node.append(helper.make_node("GlobalAveragePool", ["feature"], ["pooled"]))
    made.graph.node.append(helper.make_node("Flatten", ["pooled"], ["embedding"]))
    shown = helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, ["n", "d"])
    made.graph.output[0].CopyFrom(shown)
    if seed % 2:
        path.write_bytes(mutated_bytes(made.SerializeToString(), choose))
    else:
        path.write_bytes(mutated_model(made, choose).SerializeToString())
    try:
        from_onnx_file(
            path,
            feature_tensor="feature",
            embedding="embedding",
            preprocessing=Preprocessing(ROWS, COLS),
            name="m",
        )
    except ExplainerError as error:
        return f"refused: {error}"
    except MemoryError:
        return "refused: memory"  # which the child that imports says in words
    except Exception as error:
        return f"traceback: {type(error).__name__}: {error}"
    return "a model"


if __name__ == "__main__":
    main()
