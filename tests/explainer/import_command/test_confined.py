"""An import runs in a process of its own, which may be a stranger's to ruin."""

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pretrained
import pytest
from model_folders import endless, greedy, model
from onnx import helper

from partlens.common.confined import GIB, Bounds, ConfinedError, run_confined
from partlens.explainer.errors import ModelError
from partlens.explainer.import_command.confined import import_confined
from partlens.explainer.import_command.request import ImportRequest
from partlens.explainer.import_command.source import MissingOptionError

SECONDS = 100.0  # for what is expected to end by itself


def asked(path: Path, made: onnx.ModelProto) -> ImportRequest:
    """An import of the nodes of a model and an average behind them."""
    made.graph.node.append(helper.make_node("GlobalAveragePool", ["feature"], ["pooled"]))
    made.graph.node.append(helper.make_node("Flatten", ["pooled"], ["embedding"]))
    shown = helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, ["n", "d"])
    made.graph.output[0].CopyFrom(shown)
    onnx.save(made, path)
    return ImportRequest("m", onnx_file=str(path), feature_tensor="feature", embedding="embedding")


def test_a_loop_without_end_is_stopped(tmp_path: Path) -> None:
    request = asked(tmp_path / "m.onnx", endless())
    with pytest.raises(ModelError, match=r"did not end within 10 s.*--time-limit"):
        import_confined(request, tmp_path / "out", Bounds(2 * GIB, 10))
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_a_network_that_asks_for_all_memory_is_refused(tmp_path: Path) -> None:
    request = asked(tmp_path / "m.onnx", greedy())
    with pytest.raises(ModelError, match=r"2.0 GiB are allowed; --memory-limit"):
        import_confined(request, tmp_path / "out", Bounds(2 * GIB, SECONDS))
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_a_missing_option_is_asked_for_with_what_there_is(tmp_path: Path) -> None:
    asked(tmp_path / "m.onnx", model([helper.make_node("Relu", ["data"], ["feature"])], []))
    request = ImportRequest("m", onnx_file=str(tmp_path / "m.onnx"))
    with pytest.raises(MissingOptionError, match=r"the outputs of m\.onnx are embedding"):
        import_confined(request, tmp_path / "out", Bounds(2 * GIB, SECONDS))


@pytest.mark.parametrize("change", [{"image_size": 10**9}, {"hidden_size": 10**40}])
def test_a_huge_config_is_refused(change: dict[str, int], tmp_path: Path) -> None:
    pretrained.make("vit").save_pretrained(tmp_path / "hf")
    file = tmp_path / "hf" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    request = ImportRequest("m", pretrained=str(tmp_path / "hf"))
    with pytest.raises(ModelError) as raised:
        import_confined(request, tmp_path / "out", Bounds(2 * GIB, SECONDS))
    assert "cannot be read by transformers" in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_request_survives_the_way_to_another_process() -> None:
    request = ImportRequest("m", extras=("class",), pixels={"mean": (1.0, 2.0, 3.0), "height": 8})
    assert ImportRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


CONFINE = "from partlens.common.confined import Bounds; Bounds(2**28, 20).confine();"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import time; time.sleep(60)", "did not end within 5 s"),
        ("import os; os.abort()", "crashed with SIGABRT"),
        ("import sys; sys.exit(3)", "ended with status 3"),
        pytest.param(
            f"{CONFINE} bytearray(2**29)",
            "ended with status 1, perhaps for lack of memory: 0.2 GiB",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts memory"),
        ),
    ],
)
def test_a_child_that_goes_wrong_is_reported(code: str, message: str) -> None:
    with pytest.raises(ConfinedError, match=message):
        run_confined([sys.executable, "-c", code], b"", Bounds(2**28, 5))


def test_the_child_needs_no_part_of_a_server() -> None:
    code = (
        "import sys, partlens.explainer.import_command.child;"
        "import partlens.explainer.import_command.writing;"
        "print(sorted(n for n in sys.modules if n.split('.')[0] in ('grpc', 'faiss', 'lance')"
        " or n.startswith(('partlens.server', 'partlens.indexer', 'partlens.client'))))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=SECONDS
    )
    assert done.stdout.strip() == "[]", done.stderr
