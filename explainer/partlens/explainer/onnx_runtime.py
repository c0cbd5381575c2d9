"""Opens ONNX Runtime sessions, quiet and without telemetry."""

import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from partlens.common.compute import CPU, Compute
from partlens.explainer.errors import ModelError
from partlens.explainer.onnx_prelu import without_prelu

# Official builds send usage data to their maker from the moment they are loaded. What people search
# an archive for is private, so only the person who runs partlens may turn this on.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnx
import onnxruntime
from onnxruntime.transformers.float16 import convert_float_to_float16

Session: TypeAlias = onnxruntime.InferenceSession
_FATAL_ONLY = 4
"""What else it logs, it also raises."""
_SOURCE = re.compile(r"/\S+\.(?:h|hpp|cc|cpp|cu):\d+ \S+(?: \S+)*?\)(?: const)? ")
"""A place in ONNX Runtime's own sources, with the signature of the function there."""
_MOST_SAID = 400
_GRACE = 5.0
"""Seconds for the operator that is running to end, once the run is stopped."""

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def session(data: bytes, compute: Compute = CPU, threads: int | None = None) -> Session:
    """A session that runs a serialised model and logs nothing that it also raises.

    Args:
        threads: that share each operator of a pass; as many as there are cores if None.

    Raises:
        ModelError: no usable GPU was found.
        Exception: the model cannot be run; ONNX Runtime raises many classes of its own.
    """
    wanted = [_CPU] if compute.device == "cpu" else [_CUDA, _CPU]
    if compute.device == "cuda" and _CUDA not in providers():
        raise ModelError(
            f"this ONNX Runtime runs only on {', '.join(providers())}; for a GPU, install"
            " onnxruntime-gpu instead of onnxruntime"
        )
    if compute.device == "cuda":
        # CUDA's libraries may be in separate Python packages, where no loader looks.
        onnxruntime.preload_dlls()
    if compute.precision == "float16":
        data = _halved(data)
    elif compute.device == "cpu":
        data = without_prelu(data)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    # Otherwise ONNX Runtime could read the bytes in its own format, which was not checked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.intra_op_num_threads = threads or 0
    # Between two passes its threads would spin on the cores that decode and decompose.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    made = Session(data, options, providers=wanted)
    if made.get_providers()[0] != wanted[0]:  # it silently continues without the GPU
        raise ModelError(
            "ONNX Runtime found no GPU that it can use; `nvidia-smi` and `partlens doctor` say more"
        )
    return made


def run(
    session: Session,
    outputs: list[str],
    passes: Sequence[Mapping[str, Any]],
    seconds: float | None = None,
    at_once: int = 1,
) -> list[list[Any]]:
    """Run a session on the inputs of each pass; a signal handler may end it by raising.

    Signal handlers run on the main thread, and only while no call into C is in progress there. So
    the session runs on other threads, and stops after its current operators if a handler raises.

    Args:
        seconds: most time that all passes may take; None for no limit.
        at_once: most passes that run at the same time, each on a thread.

    Returns:
        The outputs of each pass.

    Raises:
        ModelError: they took longer.
        Exception: ONNX Runtime raises classes of its own.
    """
    options = onnxruntime.RunOptions()
    waiting, ended = SimpleQueue[int | None](), SimpleQueue[tuple[int, list[Any]] | Exception]()

    def work() -> None:
        try:
            while (number := waiting.get()) is not None:
                ended.put((number, list(session.run(outputs, passes[number], options))))
        except Exception as error:
            ended.put(error)

    # Daemons: one operator that never ends must not keep the program from ending.
    threads = [
        threading.Thread(target=work, name="partlens-onnx", daemon=True)
        for _ in range(min(at_once, len(passes)))
    ]
    for turn in (*range(len(passes)), *(None for _ in threads)):
        waiting.put(turn)
    for thread in threads:
        thread.start()
    try:
        found = _collected(ended, len(passes), seconds)
    except BaseException:
        options.terminate = True
        end = time.monotonic() + _GRACE
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        raise
    for thread in threads:
        thread.join()
    return found


def _collected(
    ended: "SimpleQueue[tuple[int, list[Any]] | Exception]", count: int, seconds: float | None
) -> list[list[Any]]:
    """The outputs of passes in order of their numbers; raises what a pass raised, and ModelError
    if they take longer."""
    end = None if seconds is None else time.monotonic() + seconds
    outputs = dict[int, list[Any]]()
    while len(outputs) < count:
        try:
            one = ended.get(timeout=None if end is None else max(0.0, end - time.monotonic()))
        except Empty as error:
            raise ModelError(
                f"the model did not end within {seconds:g} s and was stopped; a loop in it may"
                " never end, or it is too large for this machine"
            ) from error
        if isinstance(one, Exception):
            raise one
        number, outputs[number] = one
    return [outputs[number] for number in range(count)]


def said(error: Exception) -> str:
    """What an error of ONNX Runtime says, on one line, without places in its sources."""
    text = " ".join(_SOURCE.sub("", str(error)).split())
    return text if len(text) <= _MOST_SAID else f"{text[:_MOST_SAID]}..."


def providers() -> list[str]:
    """The execution providers of this build, such as CUDAExecutionProvider."""
    return list(onnxruntime.get_available_providers())


def _halved(data: bytes) -> bytes:
    """The same model computed in float16, with float32 inputs and outputs."""
    model = convert_float_to_float16(onnx.load_model_from_string(data), keep_io_types=True)
    halved: bytes = model.SerializeToString()
    return halved
