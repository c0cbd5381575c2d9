"""Weights of a PyTorch module: found in a checkpoint by what fits, without unpickling objects."""

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from partlens.common.files import require_regular
from partlens.explainer.errors import ModelError

_MOST_DEPTH, _HEAD_BYTES = 4, 16
_SHOWN = 4
"""Names that a message lists of each kind."""
_COUNTER = "num_batches_tracked"
"""What old checkpoints lack; no evaluation needs it."""
State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Weights:
    """Weights that fit a module exactly.

    Attributes:
        state: for its load_state_dict.
        entry: dotted name of the entry of the checkpoint that holds them; "" for the whole.
        prefix: taken off each name, as "module."; "" if they fit as they are.
    """

    state: State
    entry: str
    prefix: str

    def described(self) -> str:
        """Where they come from, in words; "" for a plain state dict."""
        entry = f"the entry {self.entry!r}" if self.entry else ""
        prefix = f"names without the prefix {self.prefix!r}" if self.prefix else ""
        return ", ".join(part for part in (entry, prefix) if part)


def fitting(file: Path, module: nn.Module, entry: str = "") -> Weights:
    """The weights in a file that fit a module: the same names and shapes.

    They may lie in an entry of a checkpoint ("state_dict", "model"), and their names may share a
    prefix ("module." of DataParallel, "_orig_mod." of torch.compile).

    Args:
        file: .safetensors, or what torch.load reads with weights_only=True.
        entry: dotted name of the entry to take; "" for the only one that fits.

    Raises:
        ModelError: damaged, not only weights, or none or several sets of weights that fit.
    """
    wanted = module.state_dict()
    sets = {name: state for name, state in _sets(_load(file), "") if entry in ("", name)}
    if not sets:
        what = f"no entry {entry!r} with weights" if entry else "no weights"
        raise ModelError(f"{file.name} holds {what}; save module.state_dict()")
    found = [
        Weights(stripped, name, prefix)
        for name, state in sets.items()
        for prefix, stripped in _stripped(state)
        if not _misfits(stripped, wanted)
    ]
    if not found:
        raise ModelError(_why(file, sets, wanted))
    first, *others = found
    different = [one for one in others if not _equal(first.state, one.state)]
    if different:
        names = ", ".join(repr(one.entry) for one in (first, *different))
        raise ModelError(
            f"{file.name} holds several sets of weights that fit: {names}. Name one"
            " (--weights-entry)"
        )
    return first


def _load(file: Path) -> Any:
    try:
        require_regular(file)
        if file.suffix == ".safetensors":
            return load_file(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about TorchScript, which is refused below
            return torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError) as error:
        if "TorchScript" in str(error):
            raise ModelError(
                f"{file.name} is a TorchScript archive, which holds code. Save its weights"
                f" (torch.save(torch.jit.load({file.name!r}).state_dict(), 'weights.pth')), or"
                " export the model as ONNX"
            ) from error
        raise ModelError(f"{file.name} cannot be read as weights: {_line(error)}") from error
    except Exception as error:  # the unpickler's own class, which torch does not export
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if not named and not _is_pickle(file):
            raise ModelError(
                f"{file.name} cannot be read as weights: it begins with {_head(file)!r}, so it is"
                " damaged or another kind of file; save module.state_dict() with torch.save"
            ) from error
        objects = f"Python objects ({named[1]})" if named else "Python objects"
        raise ModelError(
            f"{file.name} holds more than weights: {objects}, which are never loaded, since loading"
            " them can run code. If you trust the file, save only its weights:"
            f" loaded = torch.load({file.name!r}, weights_only=False), then"
            " torch.save(loaded.state_dict(), 'weights.pth') if it is a module, or"
            " torch.save(loaded[KEY], 'weights.pth') with the key of the state dict"
        ) from error


def _is_pickle(file: Path) -> bool:
    """Whether a file begins like a Python pickle, or like the archives of torch that hold one."""
    return re.match(rb"\x80[\x02-\x05].|PK\x03\x04", _head(file), re.DOTALL) is not None


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_HEAD_BYTES)


def _line(error: Exception) -> str:
    text = " ".join(str(error).split()) or f"the file ends too early ({type(error).__name__})"
    return text if len(text) <= 300 else f"{text[:300]}..."


def _sets(given: Any, name: str, depth: int = 0) -> Iterator[tuple[str, State]]:
    """Each mapping that holds tensors, with its dotted name."""
    if not isinstance(given, Mapping) or depth > _MOST_DEPTH:
        return
    if tensors := {str(key): one for key, one in given.items() if isinstance(one, Tensor)}:
        yield name, tensors
    for key, value in given.items():
        yield from _sets(value, f"{name}.{key}" if name else str(key), depth + 1)


def _stripped(state: State) -> Iterator[tuple[str, State]]:
    """The same weights, without more and more of the prefix that all names share."""
    prefix = ""
    while True:
        yield prefix, state
        heads = {name.partition(".")[::2] for name in state}
        first = {head for head, _ in heads}
        if len(first) != 1 or not all(rest for _, rest in heads):
            return
        (head,) = first
        state = {name[len(head) + 1 :]: one for name, one in state.items()}
        prefix += f"{head}."


def _misfits(state: State, wanted: State) -> dict[str, list[str]]:
    """What keeps weights from fitting, by kind; empty if they fit."""
    shapes = [
        f"{name} {list(state[name].shape)}, not {list(one.shape)}"
        for name, one in wanted.items()
        if name in state and state[name].shape != one.shape
    ]
    others = [
        f"{name} ({kind})"
        for name, one in wanted.items()
        if name in state and (kind := _other_kind(state[name], one))
    ]
    missing = [name for name in wanted if name not in state and not name.endswith(_COUNTER)]
    kinds = {
        "lacks": missing,
        "also has": [name for name in state if name not in wanted],
        "has in another shape": shapes,
        "has as other numbers": others,
    }
    return {kind: names for kind, names in kinds.items() if names}


def _other_kind(given: Tensor, wanted: Tensor) -> str:
    """What makes a tensor other numbers than a module takes; "" if nothing does.

    torch would drop the imaginary parts, and take whole numbers of a quantised model as they are.
    """
    if given.is_quantized:
        return "quantised"
    if given.is_meta:
        return "without values"
    if given.layout != torch.strided:
        return "sparse"
    plain = given.is_floating_point() or not wanted.is_floating_point()
    return "" if plain and not given.is_complex() else str(given.dtype).removeprefix("torch.")


def _why(file: Path, sets: Mapping[str, State], wanted: State) -> str:
    """Why no weights fit: what is wrong with those that fit best."""
    tried = [
        (name, prefix, _misfits(stripped, wanted))
        for name, state in sets.items()
        for prefix, stripped in _stripped(state)
    ]
    name, prefix, misfits = min(tried, key=lambda one: sum(map(len, one[2].values())))
    place = f" (entry {name!r})" if name else ""
    place += f" (without the prefix {prefix!r})" if prefix else ""
    listed = "; ".join(f"it {kind} {_listed(names)}" for kind, names in misfits.items())
    return f"the weights in {file.name}{place} do not fit the module: {listed}"


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _equal(one: State, other: State) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items() if name in other)
