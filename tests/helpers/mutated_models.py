"""Model folders and ONNX models with something changed, chosen by a seeded generator."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.external_data_helper
from model_folders import convolution, endless, greedy, seal
from onnx import helper, numpy_helper

BAIT = "bait"
"""A FIFO in the working folder: whoever opens it waits without end."""
NUMBERS = (0, -1, 1, 2, 7, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63))
VALUES: tuple[Any, ...] = (
    None,
    True,
    "",
    "x",
    [],
    {},
    0,
    -1,
    1.5,
    10**40,
    10**400,
    2**40,
    float("inf"),
    "\ud800",
)
KINDS = ("Relu", "Conv", "Reshape", "Tile", "Expand", "Loop", "Identity", "Softmax", "Own", "Shape")


def mutated_bytes(data: bytes, choose: random.Random) -> bytes:
    """Some bytes changed, cut out, doubled or cut off."""
    changed = bytearray(data)
    for _ in range(choose.randint(1, 4)):
        at, length = choose.randrange(len(changed) + 1), choose.randint(1, 16)
        match choose.randrange(4):
            case 0:
                changed[at : at + 1] = bytes([choose.randrange(256)])
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length]
            case _:
                del changed[max(at, 1) :]
    return bytes(changed)


def mutated_model(made: onnx.ModelProto, choose: random.Random) -> onnx.ModelProto:
    """One field changed, of a node, a tensor, an attribute or the whole."""
    graph = made.graph
    node, weight = choose.choice(graph.node), choose.choice(graph.initializer)
    changes: tuple[Callable[[], Any], ...] = (
        lambda: setattr(node, "op_type", choose.choice(KINDS)),
        lambda: setattr(node, "domain", choose.choice(["own", "com.microsoft", "ai.onnx.ml"])),
        lambda: node.input.append(choose.choice(["data", "nobody", ""])),
        lambda: node.attribute.append(
            helper.make_attribute(choose.choice(["pads", "axis", "perm"]), _numbers(choose))
        ),
        lambda: node.attribute.append(helper.make_attribute("group", choose.choice(NUMBERS))),
        lambda: weight.dims.__setitem__(0, choose.choice(NUMBERS)),
        lambda: setattr(weight, "data_type", choose.randint(0, 25)),
        lambda: setattr(weight, "raw_data", weight.raw_data[: choose.randrange(40)]),
        lambda: onnx.external_data_helper.set_external_data(weight, _place(choose)),
        lambda: graph.node.append(_constant(choose)),
        lambda: graph.sparse_initializer.append(_sparse(choose)),
        lambda: made.opset_import.__getitem__(0).__setattr__("version", choose.randint(-1, 60)),
        lambda: setattr(made, "ir_version", choose.choice(NUMBERS[:6])),
        lambda: graph.input.append(graph.input[0]),
        lambda: graph.output.append(graph.output[0]),
        lambda: graph.node.insert(0, choose.choice(graph.node)),
        lambda: graph.node.pop(),
        lambda: made.CopyFrom(greedy(choose.choice([10, 60_000, 2**40]))),
        lambda: made.CopyFrom(endless(choose.choice([0, 1, 3]))),
    )
    choose.choice(changes)()
    return made


def mutated_json(text: str, choose: random.Random) -> str:
    """One value of a JSON text replaced, removed or renamed."""
    plain = json.loads(text)
    holders = list[Any]()
    waiting = [plain]
    while waiting:
        one = waiting.pop()
        if one and isinstance(one, dict | list):
            holders.append(one)
            waiting += one.values() if isinstance(one, dict) else one
    holder = choose.choice(holders)
    key = choose.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    match choose.randrange(4):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[str(choose.choice(VALUES))] = holder.pop(key)
        case _:
            holder[key] = choose.choice(VALUES)
    return json.dumps(plain)


def mutate(folder: Path, outside: Path, seed: int) -> Path:
    """Change one thing in a model folder and give it the digest that it should have, if it can."""
    choose = random.Random(seed)
    backbone = folder / "backbone.onnx"
    match choose.randrange(6):
        case 0:
            name = choose.choice(["model.json", "head.json", "head.safetensors", "backbone.onnx"])
            (folder / name).write_bytes(mutated_bytes((folder / name).read_bytes(), choose))
        case 1:
            name = choose.choice(["model.json", "head.json", "head.safetensors", "backbone.onnx"])
            (folder / name).unlink()
            os.symlink(outside / choose.choice([BAIT, "file"]), folder / name)
            return folder
        case 2 | 3:
            name = choose.choice(["model.json", "head.json"])
            (folder / name).write_text(mutated_json((folder / name).read_text(), choose))
        case _:
            backbone.write_bytes(mutated_model(convolution(), choose).SerializeToString())
    try:
        return seal(folder)
    except (ValueError, AttributeError, RecursionError):  # its JSON is no object any more
        return folder


def _numbers(choose: random.Random) -> list[int]:
    return [choose.choice(NUMBERS) for _ in range(choose.randint(1, 4))]


def _place(choose: random.Random) -> str:
    return choose.choice([BAIT, f"./{BAIT}", f"../outside/{BAIT}", "*/_ORT_MEM_ADDR_/*"])


def _constant(choose: random.Random) -> onnx.NodeProto:
    tensor = numpy_helper.from_array(np.ones(2, np.float32), "c")
    onnx.external_data_helper.set_external_data(tensor, _place(choose))
    return helper.make_node("Constant", [], ["c"], value=tensor)


def _sparse(choose: random.Random) -> onnx.SparseTensorProto:
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    return helper.make_sparse_tensor(values, indices, [choose.choice(NUMBERS)])
