"""A manifest of pictures with everything that a source can have."""

from collections.abc import Sequence
from pathlib import Path

from served import picture

from partlens.explainer.model import read_spec
from partlens.explainer.starter import model_folder

MODEL = model_folder()
SPEC = read_spec(MODEL)
COUNT = 22
DAMAGED, MISSING = 5, 9


def write_pictures(folder: Path) -> Path:
    """A folder of pictures and their manifest; one is damaged, and one is not there."""
    folder.mkdir()
    for number in range(COUNT):
        if number != MISSING:
            data = picture(number) if number != DAMAGED else b"not a picture"
            (folder / f"{number:02}.png").write_bytes(data)
    return write_manifest(folder / "pictures.csv", [line(number) for number in range(COUNT)])


def line(number: int, colour: str = "grün") -> str:
    """What the manifest says of a picture."""
    return f"{number:02}.png,c{number % 2},t{number},2026-05-01 12:00:{number:02}Z,{colour}"


def write_manifest(manifest: Path, lines: Sequence[str]) -> Path:
    """A manifest of these lines."""
    text = "\n".join(["path,camera,track,captured_at,colour", *lines])
    manifest.write_text(text + "\n", encoding="utf-8")
    return manifest


def change(manifest: Path) -> None:
    """Another picture in the place of one, other metadata of one, a new picture, and one mended."""
    folder = manifest.parent
    (folder / "03.png").write_bytes(picture(103))
    (folder / f"{DAMAGED:02}.png").write_bytes(picture(DAMAGED))
    (folder / f"{COUNT}.png").write_bytes(picture(COUNT))
    lines = [line(number) for number in range(COUNT + 1)]
    lines[7] = line(7, "blau")
    write_manifest(manifest, lines)
