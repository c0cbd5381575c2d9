"""Models of the Hugging Face hub: whether they can be had, and their licence."""

import queue
import re
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from partlens.common.installing import pip_install
from partlens.explainer.errors import HubError

HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
SECONDS = 3.0
"""To wait for the hub during an import."""


@dataclass(frozen=True)
class HubModel:
    """A model of the hub that can be read.

    Attributes:
        id: owner/name.
        source: what transformers reads: the id, or the downloaded folder if the hub is away.
        licence: as its page states it; "" if it does not.
        downloaded: whether its weights are on this machine already.
    """

    id: str
    source: str
    licence: str
    downloaded: bool


def look_up(id: str, seconds: float) -> HubModel:
    """A model of the hub.

    Args:
        id: owner/name.
        seconds: to wait for the hub. A model that was downloaded before needs no hub.

    Raises:
        HubError: it cannot be had; the message says why.
    """
    if find_spec("transformers") is None:
        raise HubError(f"transformers is not installed: {pip_install('huggingface')}")
    import huggingface_hub as hub

    stored = hub.try_to_load_from_cache(id, "model.safetensors")
    # On a thread, since looking up a host name can take longer than any time limit allows.
    found = queue.SimpleQueue[tuple[str, bool]]()
    thread = threading.Thread(target=lambda: found.put(_asked(hub, id, seconds)), daemon=True)
    thread.start()
    try:
        said, there = found.get(timeout=seconds)
    except queue.Empty:
        said, there = f"it did not answer within {seconds:g} s", False
    if there:
        return HubModel(id, id, said, isinstance(stored, str))
    if isinstance(stored, str):
        # Not by its id, since each of its files would then be asked for again and again.
        return HubModel(id, str(Path(stored).parent), "", True)
    raise HubError(f"the Hugging Face hub does not give {id}, or cannot be reached: {said}")


def _asked(hub: Any, id: str, seconds: float) -> tuple[str, bool]:
    """The licence of a model, "" if it states none, and True; or why there is no answer."""
    try:
        info = hub.HfApi().model_info(id, timeout=seconds)
    except Exception as error:  # whatever the libraries below raise: offline, refused, unknown
        return " ".join(str(error).split())[:200] or type(error).__name__, False
    return str(getattr(info.card_data, "license", None) or ""), True
