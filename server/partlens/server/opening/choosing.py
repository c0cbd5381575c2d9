"""Chooses the model of `partlens open`, and says which one and why."""

import fcntl
import hashlib
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from partlens.common.confined import GIB, bounds_within
from partlens.common.text import visible
from partlens.explainer.errors import ExplainerError, HubError
from partlens.explainer.import_command.confined import import_confined
from partlens.explainer.import_command.request import ImportRequest
from partlens.explainer.importing.hub import HUB_ID, HubModel, look_up
from partlens.explainer.model import read_spec
from partlens.explainer.spec import ModelSpec
from partlens.explainer.starter import model_folder
from partlens.server.errors import OpenError
from partlens.server.opening.places import Cache, private_folder, remembered_model

USUAL = "facebook/dinov2-small"
HUB_SECONDS = 4.0
"""How long to wait for the hub."""
_USUAL_LICENCE = "apache-2.0"
_IMPORT_MEMORY, _IMPORT_SECONDS = 16 * GIB, 1800.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Chosen:
    """A model folder, and what its model.json says."""

    folder: Path
    spec: ModelSpec


def given_model(given: str, cache: Cache, say: Say) -> Chosen:
    """The model that a user names.

    Args:
        given: a model folder, a Hugging Face folder, or a hub id.
        say: prints what is going on.

    Raises:
        OpenError, ExplainerError: it is none of these, or cannot be used.
    """
    folder = Path(given)
    if (folder / "model.json").exists():
        chosen = Chosen(folder.resolve(), read_spec(folder))
        say(f"Model: {chosen.spec.name}, {chosen.folder}")
        return chosen
    if (folder / "config.json").exists():
        say(f"Model: {folder.resolve()}")
        source = folder.resolve()
        request = ImportRequest(name=source.name, pretrained=str(source))
        return _imported(request, _name_of(source), cache, say)
    if folder.exists() or not HUB_ID.fullmatch(given) or given.startswith("."):
        raise OpenError(
            f"--model {given}: it is neither a model folder (`partlens model import`) nor a Hugging"
            " Face folder, nor the id of a model on the Hugging Face hub, such as " + USUAL
        )
    if (made := _made(_cached_name(given), cache)) is not None:
        return _told(made, say)
    try:
        found = look_up(given, HUB_SECONDS)
    except HubError as error:
        raise OpenError(f"--model {given}: there is no such folder, and {error}") from error
    return _of_hub(found, cache, say)


def usual_model(photos: Path, memory: Path, cache: Cache, say: Say) -> Chosen:
    """The model for a source for which none is named: the same as before, if there was one.

    DINOv2-small if it can be had, otherwise the starter model.

    Args:
        photos: the source.
        memory: the file that remembers its model.
        say: prints what is going on.
    """
    remembered = remembered_model(memory)
    if remembered is not None and (chosen := _usable(remembered)) is not None:
        if remembered != model_folder():
            return _told(chosen, say)
        return _starter("", f"partlens open {_quoted(photos)} --model {USUAL}", say)
    if (chosen := _made(_cached_name(USUAL), cache)) is not None:
        return _told(chosen, say)
    try:
        return _of_hub(look_up(USUAL, HUB_SECONDS), cache, say)
    except HubError as error:
        elsewhere = (
            f"on a machine that reaches the hub, run `partlens model import MODEL --hf {USUAL}`;"
            f" copy the folder MODEL to this machine, and run `partlens open {_quoted(photos)}"
            " --model MODEL`"
        )
        return _starter(str(error), elsewhere, say)
    except ExplainerError as error:
        return _starter(str(error), f"partlens open {_quoted(photos)} --model MODEL", say)


def _quoted(path: Path) -> str:
    return shlex.quote(visible(str(path)))


def _starter(reason: str, for_photographs: str, say: Say) -> Chosen:
    since = f", because {reason}" if reason else ""
    say(
        f"Model: the starter model{since}. It knows only drawn pedestrians: in photographs it finds"
        " similar colours and coarse shapes, not things."
    )
    say(f"For photographs: {for_photographs}")
    return Chosen(model_folder(), read_spec(model_folder()))


def _of_hub(found: HubModel, cache: Cache, say: Say) -> Chosen:
    licence = found.licence or (_USUAL_LICENCE if found.id == USUAL else "")
    stated = licence or f"not stated; see https://huggingface.co/{found.id}"
    where = "already downloaded" if found.downloaded else "from the Hugging Face hub"
    say(f"Model: {found.id}, {where}; licence: {stated}")
    request = ImportRequest(
        name=found.id.rpartition("/")[2], licence=licence, pretrained=found.source
    )
    return _imported(request, _cached_name(found.id), cache, say)


def _imported(request: ImportRequest, name: str, cache: Cache, say: Say) -> Chosen:
    """A model of transformers as a model folder in the cache, made the first time.

    Args:
        name: of the folder.
    """
    private_folder(cache.models)
    with _alone(cache.models / f".{name}.lock"):
        if (made := _made(name, cache)) is not None:
            return _told(made, say)
        say("Preparing the model; this takes a minute or two, once.")
        bounds = bounds_within(_IMPORT_MEMORY, _IMPORT_SECONDS)
        import_confined(request, cache.models / name, bounds)
    folder = cache.models / name
    return Chosen(folder, read_spec(folder))


def _told(chosen: Chosen, say: Say) -> Chosen:
    licence = f"; licence: {chosen.spec.licence}" if chosen.spec.licence else ""
    say(f"Model: {chosen.spec.name}{licence}")
    return chosen


def _made(name: str, cache: Cache) -> Chosen | None:
    return _usable(cache.models / name)


def _usable(folder: Path) -> Chosen | None:
    try:
        return Chosen(folder, read_spec(folder))
    except ExplainerError:
        return None


def _cached_name(hub_id: str) -> str:
    return hub_id.replace("/", "--")


def _name_of(folder: Path) -> str:
    """A name that changes with the content of a Hugging Face folder."""
    content = hashlib.sha256(bytes(folder))
    for path in sorted(folder.glob("*.json")) + sorted(folder.glob("*.safetensors")):
        status = path.stat()
        content.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return f"{folder.name}-{content.hexdigest()[:12]}"


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait for another process that makes the same model."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
