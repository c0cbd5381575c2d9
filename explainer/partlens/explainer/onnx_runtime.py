"""ONNX Runtime as it is used everywhere here: on the CPU, quiet, and telling nobody anything."""

import os

# Its official builds report what they run to their maker, from the moment they are loaded. What is
# searched for in an archive is nobody's business: to change that is for whoever runs partlens.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

_ERRORS_ONLY = 3


def session(data: bytes) -> onnxruntime.InferenceSession:
    """A session that runs a serialised model, with its own log at errors.

    Raises:
        Exception: ONNX Runtime's many own classes, where it cannot be run.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    # Its threads would spin between two passes, on the cores that decode and decompose.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def providers() -> list[str]:
    """What this build of it can run on."""
    return list(onnxruntime.get_available_providers())
