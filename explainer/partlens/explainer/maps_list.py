"""The list of maps in a folder: one JSON object per line, the first of which says what they are
about."""

import json
import os
from pathlib import Path

from partlens.common import strict_json
from partlens.common.durable import make_folder, write_atomically
from partlens.common.files import read_file
from partlens.explainer.errors import MapsError

LISTED = "maps.jsonl"


class MapsList:
    """The list of what was written.

    Args:
        out: folder of the maps.
        about: what they are about.

    Raises:
        MapsError: the folder holds other files, or maps about something else.
    """

    def __init__(self, out: Path, about: dict[str, object]) -> None:
        self._out, self._path = out, out / LISTED
        # As they are read back.
        about = json.loads(json.dumps(about))
        lines = self._lines()
        if lines and lines[0] != about:
            differing = [key for key in about if lines[0].get(key) != about[key]]
            raise MapsError(
                f"{out} holds maps with another {', '.join(differing)}; choose another folder"
            )
        if not lines and out.exists() and any(out.iterdir()):
            raise MapsError(
                f"{out} holds files, but no {LISTED}; choose a new folder or an empty one"
            )
        self._written = {str(one.get("image")): one for one in lines[1:]}
        make_folder(out)
        kept = [about, *self._written.values()]
        write_atomically(self._path, "".join(f"{json.dumps(one)}\n" for one in kept))

    def holds(self, image: str, digest: str) -> bool:
        """Whether the maps of an image with these bytes are there."""
        files = (self._out / f"{image}{suffix}" for suffix in (".npy", ".png"))
        known = self._written.get(image, {}).get("digest")
        return known == digest and all(file.is_file() for file in files)

    def add(self, line: dict[str, object]) -> None:
        """Add an image, whose maps are on disk."""
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        with open(handle, "wb") as file:
            file.write(f"{json.dumps(line)}\n".encode())

    def _lines(self) -> list[dict[str, object]]:
        try:
            text = read_file(self._path).decode(errors="replace")
        except FileNotFoundError:
            return []
        found = []
        for number, line in enumerate(text.splitlines(keepends=True), start=1):
            if not line.endswith("\n"):
                break  # cut short; its image is done again
            try:
                plain = strict_json.loads(line.encode())
            except ValueError as error:
                raise MapsError(f"{self._path}, line {number}: {error}") from error
            if not isinstance(plain, dict):
                raise MapsError(f"{self._path}, line {number}: not a JSON object")
            found.append(plain)
        return found
