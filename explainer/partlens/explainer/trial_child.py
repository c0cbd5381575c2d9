"""A child process that runs a backbone once. It is run as a file: it needs no PyTorch.

Given on its standard input: a line of JSON with `memory`, `seconds` and `pixels`, the shape of its
input, and then the model. It writes a line of JSON with the `shape` of what the model gave, or an
`error`.
"""

import json
import sys

from partlens.common.confined import Bounds


def main() -> None:
    """Run the model under its bounds."""
    asked = json.loads(sys.stdin.buffer.readline())
    Bounds(asked["memory"], asked["seconds"]).confine()
    try:
        answer: dict[str, object] = {"shape": _shape(sys.stdin.buffer.read(), asked["pixels"])}
    except MemoryError:
        answer = {"error": "there is not enough memory to run it"}
    except Exception as error:  # ONNX Runtime's many own classes
        answer = {"error": str(error)[:2000]}
    json.dump(answer, sys.stdout)


def _shape(model: bytes, pixels: list[int]) -> list[int]:
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Otherwise ONNX Runtime could read the bytes in its own format, which was not checked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (given,), (wanted,) = session.get_inputs(), session.get_outputs()
    noise = np.random.default_rng(0).standard_normal(pixels).astype(np.float32)
    (feature,) = session.run([wanted.name], {given.name: noise})
    return [int(size) for size in np.asarray(feature).shape]


if __name__ == "__main__":
    main()
