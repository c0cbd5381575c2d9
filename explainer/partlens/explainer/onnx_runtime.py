"""ONNX Runtime sessions without logs and without telemetry."""

import os
import threading
from queue import Empty, SimpleQueue
from typing import Any

from partlens.common.compute import CPU, Compute
from partlens.explainer.errors import ModelError

# Its official builds report what they run to their maker, from the moment they are loaded. What is
# searched for in an archive is nobody's business: to change that is for whoever runs partlens.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnx
import onnxruntime
from onnxruntime.transformers.float16 import convert_float_to_float16

_ERRORS_ONLY = 3
_GRACE = 5.0
"""Seconds for the operator that is running to end, once the run is stopped."""

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def session(data: bytes, compute: Compute = CPU) -> onnxruntime.InferenceSession:
    """A session that runs a serialised model, with its own log at errors.

    Raises:
        ModelError: there is no GPU that it can use.
        Exception: ONNX Runtime's many own classes, where it cannot be run.
    """
    wanted = [_CPU] if compute.device == "cpu" else [_CUDA, _CPU]
    if compute.device == "cuda" and _CUDA not in providers():
        raise ModelError(
            f"this ONNX Runtime runs on {', '.join(providers())} alone; on a GPU it needs"
            " onnxruntime-gpu in the place of onnxruntime"
        )
    if compute.device == "cuda":
        # CUDA's libraries may lie in packages beside it, where no loader looks.
        onnxruntime.preload_dlls()
    if compute.precision == "float16":
        data = _halved(data)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    # Otherwise ONNX Runtime could read the bytes in its own format, which was not checked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Its threads would spin between two passes, on the cores that decode and decompose.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    made = onnxruntime.InferenceSession(data, options, providers=wanted)
    if made.get_providers()[0] != wanted[0]:  # it goes on without what it cannot load
        raise ModelError(
            "ONNX Runtime found no GPU that it can use; `nvidia-smi` and `partlens doctor` say more"
        )
    return made


def run(
    session: onnxruntime.InferenceSession,
    outputs: list[str],
    inputs: dict[str, Any],
    seconds: float | None = None,
) -> list[Any]:
    """What a session gives; a signal's handler may end it by raising.

    A signal's handler runs on the main thread, and only when no call into C is in progress there.
    So the session runs on another thread, and stops after the operator that it is in.

    Args:
        seconds: how long it may take; None for any time.

    Raises:
        ModelError: it took longer.
        Exception: ONNX Runtime's own classes.
    """
    options, ended = onnxruntime.RunOptions(), SimpleQueue[list[Any] | Exception]()

    def work() -> None:
        try:
            ended.put(list(session.run(outputs, inputs, options)))
        except Exception as error:
            ended.put(error)

    # A daemon: one operator that never ends must not keep the program from ending.
    thread = threading.Thread(target=work, name="partlens-onnx", daemon=True)
    thread.start()
    try:
        found = ended.get(timeout=seconds)
    except Empty as error:
        options.terminate = True
        thread.join(_GRACE)
        raise ModelError(
            f"the model did not end within {seconds:g} s and was stopped; a loop in it may never"
            " end, or it is too large for this machine"
        ) from error
    except BaseException:
        options.terminate = True
        thread.join(_GRACE)
        raise
    thread.join()
    if isinstance(found, Exception):
        raise found
    return found


def providers() -> list[str]:
    """What this build of it can run on."""
    return list(onnxruntime.get_available_providers())


def _halved(data: bytes) -> bytes:
    """The same model computing in float16, with float32 at its ends."""
    model = convert_float_to_float16(onnx.load_model_from_string(data), keep_io_types=True)
    halved: bytes = model.SerializeToString()
    return halved
