"""Weights are found in a checkpoint by what fits the module, and never unpickled."""

import argparse
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from partlens.explainer.errors import ModelError
from partlens.explainer.importing.checkpoint import fitting

State = Mapping[str, Tensor]


class Wrapper(nn.Module):
    """A child that is called `module`, and another."""

    def __init__(self) -> None:
        super().__init__()
        self.module, self.fc = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), nn.Linear(4, 2)


class OnlyModule(nn.Module):
    """All names begin with "module." by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.module = nn.Linear(3, 4)


def prefixed(state: State, prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in state.items()}


MODULES: dict[str, Callable[[], nn.Module]] = {"wrapper": Wrapper, "only module": OnlyModule}
WRAPPED: dict[str, tuple[Callable[[State], Any], str, str]] = {
    "plain": (lambda s: s, "", ""),
    "state_dict": (lambda s: {"state_dict": s, "epoch": 3}, "state_dict", ""),
    "model beside an optimizer": (
        lambda s: {"model": s, "optimizer": {"state": {0: {"step": torch.ones(1)}}}, "best": 0.5},
        "model",
        "",
    ),
    "DataParallel": (lambda s: prefixed(s, "module."), "", "module."),
    "compiled, DataParallel, nested": (
        lambda s: {"run": {"net": prefixed(s, "_orig_mod.module.")}},
        "run.net",
        "_orig_mod.module.",
    ),
    "an old one without counters": (
        lambda s: {name: one for name, one in s.items() if "num_batches" not in name},
        "",
        "",
    ),
}


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("form", WRAPPED)
def test_weights_are_found_wherever_they_are(form: str, name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained, fresh = MODULES[name](), MODULES[name]()
    wrap, entry, prefix = WRAPPED[form]
    torch.save(wrap(trained.state_dict()), tmp_path / "w.pth")
    found = fitting(tmp_path / "w.pth", fresh)
    assert (found.entry, found.prefix) == (entry, prefix)
    fresh.load_state_dict(dict(found.state), strict=True)
    assert all(torch.equal(value, fresh.state_dict()[k]) for k, value in trained.named_parameters())


def test_of_several_sets_that_fit_one_must_be_named(tmp_path: Path) -> None:
    file, module = tmp_path / "w.pth", Wrapper()
    state = module.state_dict()
    other = {name: value + 1 for name, value in state.items()}
    torch.save({"state_dict": state, "state_dict_ema": other}, file)
    with pytest.raises(ModelError, match=r"'state_dict', 'state_dict_ema'\. Name one"):
        fitting(file, module)
    ema = fitting(file, module, "state_dict_ema")
    assert torch.equal(ema.state["fc.bias"], other["fc.bias"])
    with pytest.raises(ModelError, match="no entry 'ema' with weights"):
        fitting(file, module, "ema")
    torch.save({"state_dict": state, "copy": state}, file)
    assert fitting(file, module).entry == "state_dict"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("fc.bias"), r"do not fit the module: it lacks fc\.bias$"),
        (lambda s: s.update(more=torch.ones(1)), "it also has more$"),
        (
            lambda s: s.update({"fc.weight": torch.ones(9, 4)}),
            r"it has in another shape fc\.weight \[9, 4\], not \[2, 4\]$",
        ),
        (
            lambda s: [s.pop(name) for name in list(s) if name.startswith("module")],
            r"module\.0\.weight, module\.0\.bias, module\.1\.weight, module\.1\.bias and 2 more$",
        ),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(change: Any, message: str, tmp_path: Path) -> None:
    state = dict(Wrapper().state_dict())
    change(state)
    torch.save({"epoch": 1, "net": state}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=message) as raised:
        fitting(tmp_path / "w.pth", Wrapper())
    assert "(entry 'net')" in str(raised.value) and "\n" not in str(raised.value)


def test_objects_beside_the_weights_are_refused_by_name_and_not_built(tmp_path: Path) -> None:
    file = tmp_path / "w.pth"
    torch.save({"state_dict": Wrapper().state_dict(), "args": argparse.Namespace(lr=1)}, file)
    with pytest.raises(ModelError, match=r"\(argparse\.Namespace\), which are never loaded") as err:
        fitting(file, Wrapper())
    assert "weights_only=False" in str(err.value) and "If you trust" in str(err.value)


def test_a_pickle_runs_nothing(tmp_path: Path) -> None:
    class Bait:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "touched",)

    torch.save({"state_dict": Wrapper().state_dict(), "x": Bait()}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="more than weights"):
        fitting(tmp_path / "w.pth", Wrapper())
    assert not (tmp_path / "touched").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "w.pt"
    trace: Any = torch.jit.trace
    torch.jit.save(trace(nn.Linear(3, 4), torch.ones(1, 3)), file)
    with pytest.raises(ModelError, match="TorchScript archive, which holds code"):
        fitting(file, nn.Linear(3, 4))


FOREIGN = [
    b"\x80",
    b"P",
    b"<html>404</html>",
    b'{"a": 1}',
    b"hello world",
    b"\x89PNG\r\n\x1a\n",
    b"",
]


@pytest.mark.parametrize("data", FOREIGN)
def test_a_file_of_another_kind_is_not_said_to_hold_objects(tmp_path: Path, data: bytes) -> None:
    """Else its owner would be told how to load it with everything in it."""
    file = tmp_path / "weights.pth"
    file.write_bytes(data)
    with pytest.raises(ModelError, match=r"cannot be read as weights: \S") as caught:
        fitting(file, nn.Linear(1, 1))
    assert "weights_only=False" not in str(caught.value)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_of_objects_is_named_as_such(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(pickle.dumps(Path("/"), protocol))
    with pytest.raises(ModelError, match="holds more than weights"):
        fitting(file, nn.Linear(1, 1))


OTHER: Mapping[str, Callable[[Tensor], Tensor]] = {
    "complex64": lambda one: one.to(torch.complex64),
    "int8": lambda one: one.to(torch.int8),
    "sparse": Tensor.to_sparse,
    "without values": lambda one: one.to("meta"),
}


@pytest.mark.parametrize("kind", OTHER)
def test_numbers_of_another_kind_are_named(tmp_path: Path, kind: str) -> None:
    state = nn.Linear(3, 4).state_dict()
    state["weight"] = OTHER[kind](state["weight"])
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=rf"has as other numbers weight \({kind}\)"):
        fitting(tmp_path / "w.pth", nn.Linear(3, 4))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_floating_point_of_any_precision_fits(tmp_path: Path, kind: torch.dtype) -> None:
    torch.save(nn.Linear(3, 4).to(kind).state_dict(), tmp_path / "w.pth")
    assert fitting(tmp_path / "w.pth", nn.Linear(3, 4)).state["weight"].dtype == kind
