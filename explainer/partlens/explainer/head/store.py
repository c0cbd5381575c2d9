"""A head on disk: a readable operator list (head.json) and its weights (safetensors).

Reading runs no code from the files: kinds and attributes outside KINDS are refused.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights

from partlens.common import strict_json
from partlens.explainer.errors import ModelError, ModelFileError
from partlens.explainer.head.operators import Attribute, Head, Operator
from partlens.explainer.head.rules import KINDS
from partlens.explainer.parts_on_disk import HEAD_FILE, WEIGHTS_FILE

_TYPES: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "str": (str,),
    "int?": (int, type(None)),
    "float?": (float, int, type(None)),
}
_MOST_OPERATORS = 10_000
"""Networks have a few hundred."""


def write(head: Head, folder: Path) -> None:
    """Write head.json and head.safetensors into an existing folder.

    Raises:
        ModelFileError: the format does not support a kind or an attribute.
    """
    operators = []
    for operator in head.operators:
        _require_signature(operator)
        operators.append(
            {
                "kind": operator.kind,
                "name": operator.name,
                "module_path": operator.module_path,
                "inputs": list(operator.inputs),
                "attributes": {
                    key: list(value) if isinstance(value, tuple) else value
                    for key, value in operator.attributes.items()
                },
            }
        )
    text = json.dumps({"output": head.output, "operators": operators}, indent=1)
    (folder / HEAD_FILE).write_text(text + "\n", encoding="utf-8")
    weights = {name: weight.detach().cpu().contiguous() for name, weight in head.weights.items()}
    # Copy each: safetensors refuses tensors that share memory.
    weights = {name: weight.clone() for name, weight in weights.items()}
    (folder / WEIGHTS_FILE).write_bytes(save_weights(weights))


def read(text: bytes, weights_file: bytes) -> Head:
    """Read a head that `write` wrote.

    Args:
        text: content of head.json.
        weights_file: content of head.safetensors.

    Raises:
        ModelFileError: a file is damaged, or has contents unknown to this version.
    """
    try:
        plain = strict_json.loads(text)
        weights = load_weights(weights_file)
        if len(plain["operators"]) > _MOST_OPERATORS:
            raise ModelFileError(
                f"{HEAD_FILE} has {len(plain['operators']):,} operators; at most"
                f" {_MOST_OPERATORS:,} are allowed"
            )
        operators = tuple(_operator(entry) for entry in plain["operators"])
        for operator in operators:
            _require_signature(operator)
        return Head(operators, weights, str(plain["output"]))
    except (ValueError, KeyError, TypeError, SafetensorError, RecursionError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(
            f"the model's head cannot be read; import the model again: {error}"
        ) from error
    except ModelError as error:
        raise ModelFileError(f"{HEAD_FILE}: {error}") from error


def _operator(entry: Mapping[str, object]) -> Operator:
    inputs, attributes = entry["inputs"], entry["attributes"]
    texts = (entry["kind"], entry["name"], entry["module_path"])
    if not isinstance(inputs, list) or not isinstance(attributes, dict):
        raise ModelFileError(f"{HEAD_FILE}: inputs must be a list, attributes an object")
    if not all(isinstance(text, str) for text in texts):
        raise ModelFileError(f"{HEAD_FILE}: kind, name and module_path must be texts: {texts}")
    if not all(type(name) is str or _is_number(name) for name in inputs):
        raise ModelFileError(f"{HEAD_FILE}: inputs must be names or numbers: {str(inputs)[:300]}")
    values: dict[str, Attribute] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in attributes.items()
    }
    kind, name, module_path = map(str, texts)
    return Operator(kind, name, module_path, tuple(inputs), values)


def _is_number(value: object) -> bool:
    """Whether float32 holds it."""
    return type(value) in (int, float) and abs(value) <= torch.finfo(torch.float32).max  # type: ignore[arg-type]


def _require_signature(operator: Operator) -> None:
    """Require a known kind, with the inputs and attributes of its signature."""
    where = f"{HEAD_FILE}: operator {operator.name!r}"
    if operator.kind not in KINDS:
        raise ModelFileError(
            f"{where} is of kind {operator.kind!r}, which this version does not know;"
            f" known: {', '.join(sorted(KINDS))}"
        )
    signature = KINDS[operator.kind].signature
    least = sum(not name.endswith(("?", "*")) for name in signature.inputs)
    most = None if signature.inputs[-1].endswith("*") else len(signature.inputs)
    if len(operator.inputs) < least or (most is not None and len(operator.inputs) > most):
        raise ModelFileError(
            f"{where} ({operator.kind}) has {len(operator.inputs)} inputs; it takes"
            f" {', '.join(signature.inputs)}"
        )
    if set(operator.attributes) != set(signature.attributes):
        raise ModelFileError(
            f"{where} ({operator.kind}) has attributes {sorted(operator.attributes)}; it takes"
            f" {sorted(signature.attributes)}"
        )
    for key, kind in signature.attributes.items():
        value = operator.attributes[key]
        if kind == "ints":
            fits = isinstance(value, tuple) and all(type(size) is int for size in value)
        else:
            fits = isinstance(value, _TYPES[kind]) and (kind == "bool" or type(value) is not bool)
        if not fits:
            raise ModelFileError(f"{where}: attribute {key} must be {kind}, got {value!r}")
