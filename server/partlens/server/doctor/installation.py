"""What is installed, and whether it works."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, metadata

from partlens.common.installing import pip_install
from partlens.server.doctor.trial import Trial

_SHOWN = ("partlens", "grpcio", "torch", "onnxruntime", "pylance", "pydantic-settings")
FAISS = ("faiss-cpu", "faiss-gpu")


@dataclass(frozen=True)
class Report:
    """Result of the installation check.

    Attributes:
        versions: version of each package by name; None if it is not installed.
        complaints: problems and how to fix them; empty if there are none.
    """

    versions: Mapping[str, str | None]
    complaints: tuple[str, ...]


def examine(versions: Mapping[str, str | None]) -> Report:
    """Check the versions of installed packages.

    >>> examine({"faiss-cpu": "1.15.1", "faiss-gpu": None}).complaints
    ()
    """
    present = [name for name in FAISS if versions.get(name)]
    complaints = [
        f"{name} is not installed: {pip_install('server')}"
        for name in _SHOWN
        if name in versions and not versions[name]
    ]
    if len(present) == 2:
        complaints.append(
            "faiss-cpu and faiss-gpu are both installed, and each overwrites the other's module"
            " faiss; uninstall both, then install the one you need"
        )
    elif not present:
        complaints.append(
            "neither faiss-cpu nor faiss-gpu is installed:"
            f" {pip_install('faiss-cpu')}, or for a GPU {pip_install('faiss-gpu')}"
        )
    return Report(versions, tuple(complaints))


def installed() -> dict[str, str | None]:
    """The version of every relevant package; None if it is not installed."""
    found: dict[str, str | None] = {}
    for name in (*_SHOWN, *FAISS):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def try_faiss(module: str = "faiss") -> Trial:
    """Imports faiss, as a gallery does.

    Args:
        module: name of the module to import.
    """
    try:
        faiss = import_module(module)
        gpus = faiss.get_num_gpus() if hasattr(faiss, "StandardGpuResources") else 0
        built = "a GPU build" if hasattr(faiss, "StandardGpuResources") else "a CPU build"
        return Trial(f"imports, version {faiss.__version__}, {built}, {gpus} GPUs")
    except Exception as error:  # a broken build raises what its loader raises
        return Trial(
            "does not import",
            f"{module} does not import ({error}): {pip_install('faiss-cpu')}, or for a GPU"
            f" {pip_install('faiss-gpu')}",
        )


def try_starter_model() -> Trial:
    """Loads the starter model, which checks its files against its digest."""
    try:
        from partlens.explainer.model import MetricModel
        from partlens.explainer.starter import model_folder

        return Trial(MetricModel.load(model_folder()).spec.digest)
    except Exception as error:  # missing packages, damaged files, a runtime that does not start
        return Trial("cannot be loaded", f"the starter model cannot be loaded: {error}")
