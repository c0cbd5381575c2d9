"""Weights in other files are read from the folder of the ONNX file, and from nowhere else."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.external_data_helper
import pytest
from model_folders import convolution
from onnx import TensorProto, helper

from partlens.explainer.errors import ModelFileError
from partlens.explainer.importing.onnx_file import read
from partlens.explainer.importing.onnx_weights import load_weights

Change = Callable[[dict[str, str], Path], None]


def apart(folder: Path) -> Path:
    """A model whose weights are in "m.onnx.data", as torch.onnx.export writes it."""
    path, model = folder / "m.onnx", convolution()
    shape: list[str | int | None] = ["n", 5, 6, 4]
    output = helper.make_tensor_value_info("feature", TensorProto.FLOAT, shape)
    model.graph.output[0].CopyFrom(output)
    onnx.save(
        model,
        path,
        save_as_external_data=True,
        location="m.onnx.data",
        size_threshold=0,
    )
    return path


def changed(path: Path, change: Change) -> Path:
    """The same with another place for its first weight."""
    model = onnx.load(path, load_external_data=False)
    (one, *_) = model.graph.initializer
    entries = {entry.key: entry.value for entry in one.external_data}
    change(entries, path.parent)
    del one.external_data[:]
    for key, value in entries.items():
        one.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path


def test_the_weights_are_those_of_the_other_file(tmp_path: Path) -> None:
    found, expected = read(apart(tmp_path)), convolution()
    for ours, theirs in zip(found.graph.initializer, expected.graph.initializer, strict=True):
        assert ours.data_location == TensorProto.DEFAULT and not ours.external_data
        np.testing.assert_array_equal(
            onnx.numpy_helper.to_array(ours), onnx.numpy_helper.to_array(theirs)
        )


def test_they_are_read_from_a_folder_below_and_through_a_link_inside(tmp_path: Path) -> None:
    def deeper(entries: dict[str, str], folder: Path) -> None:
        (folder / "deep").mkdir()
        (folder / "m.onnx.data").rename(folder / "deep" / "w")
        (folder / "link").symlink_to("deep/w")
        entries["location"] = "link"

    assert read(changed(apart(tmp_path), deeper)).graph.initializer[0].raw_data


def _outside(entries: dict[str, str], folder: Path) -> None:
    (folder / "m.onnx.data").rename(folder.parent / "bait")


def above(entries: dict[str, str], folder: Path) -> None:
    _outside(entries, folder)
    entries["location"] = "../bait"


def absolute(entries: dict[str, str], folder: Path) -> None:
    _outside(entries, folder)
    entries["location"] = str(folder.parent / "bait")


def linked(entries: dict[str, str], folder: Path) -> None:
    _outside(entries, folder)
    (folder / "m.onnx.data").symlink_to(folder.parent / "bait")


def folder_linked(entries: dict[str, str], folder: Path) -> None:
    _outside(entries, folder)
    (folder / "up").symlink_to(folder.parent)
    entries["location"] = "up/bait"


def fifo(entries: dict[str, str], folder: Path) -> None:
    (folder / "m.onnx.data").unlink()
    os.mkfifo(folder / "m.onnx.data")


def given(**entries: str) -> Change:
    return lambda found, _: found.update(entries)


def short(entries: dict[str, str], folder: Path) -> None:
    os.truncate(folder / "m.onnx.data", 20)


REFUSED: dict[str, tuple[Change, str]] = {
    "above": (above, "at a relative path"),
    "absolute": (absolute, "at a relative path"),
    "no place": (given(location=""), "at a relative path"),
    "a zero byte": (given(location="m.onnx.data\0x"), "at a relative path"),
    "a link outside": (linked, r"leads out of the folder is not followed: copy .*cp -L"),
    "a folder outside": (folder_linked, "leads out of the folder is not followed"),
    "a FIFO": (fifo, "is a FIFO, not a regular file"),
    "the folder": (given(location="."), "at a relative path|directory"),
    "missing": (given(location="w"), "No such file"),
    "cut short": (short, r"are needed, the file has 20"),
    "behind the end": (given(offset="9999999"), r"bytes 9999999 to \d+ are needed"),
    "before the start": (given(offset="-4"), "offset '-4' is not a number of bytes"),
    "endless": (given(offset="9" * 400), "is not a number of bytes"),
    "too few": (given(length="4"), r"has a length of 4 bytes; its shape needs \d+"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_another_place_is_refused(fault: str, tmp_path: Path) -> None:
    change, message = REFUSED[fault]
    (tmp_path / "in").mkdir()
    path = changed(apart(tmp_path / "in"), change)
    with pytest.raises(ModelFileError, match=message) as raised:
        read(path)
    assert "m.onnx: the weight 'stem' (an initializer) cannot be read from" in str(raised.value)


def test_weights_that_share_bytes_cannot_grow_without_bound(tmp_path: Path) -> None:
    """Many tensors may name the same bytes of a small file."""
    model = onnx.ModelProto()
    (tmp_path / "w").write_bytes(bytes(400))
    for i in range(6):
        tensor = TensorProto(name=f"w{i}", data_type=TensorProto.FLOAT, dims=(100,))
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="w")
        model.graph.initializer.append(tensor)
    with pytest.raises(ModelFileError, match=r"'w5'.*all weights together are larger"):
        load_weights(model, tmp_path / "m.onnx", 2000)
    with pytest.raises(ModelFileError, match="larger than 300 bytes"):
        load_weights(model, tmp_path / "m.onnx", 300)


@pytest.mark.parametrize(
    ("kind", "message"),
    [(TensorProto.STRING, "no array of numbers"), (TensorProto.INT4, "INT4, several to a byte")],
)
def test_other_kinds_of_numbers_are_refused(kind: int, message: str, tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(bytes(400))
    tensor = TensorProto(name="w", data_type=kind, dims=(4,))
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w")
    model = helper.make_model(helper.make_graph([], "g", [], [], [tensor]))
    with pytest.raises(ModelFileError, match=message):
        load_weights(model, tmp_path / "m.onnx", 2000)


def test_a_constant_inside_a_subgraph_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(np.arange(2, dtype=np.float32).tobytes())
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=(2,))
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w")
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    inner = helper.make_graph([constant], "inner", [], [])
    branch = helper.make_node("If", ["yes"], ["d"], then_branch=inner, else_branch=inner)
    model = helper.make_model(helper.make_graph([branch], "g", [], []))
    load_weights(model, tmp_path / "m.onnx", 2000)
    for attribute in model.graph.node[0].attribute:
        held = attribute.g.node[0].attribute[0].t
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(held), [0, 1])
