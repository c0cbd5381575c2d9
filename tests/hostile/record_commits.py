"""Changes a gallery, and writes to $SYNC_LOG what it begins (B) and what is acknowledged (A)."""

import json
import os
import sys
from pathlib import Path

from gallery_images import SPEC, image

from partlens.indexer.gallery import Gallery


def say(kind: str, change: tuple[str, list[str], int]) -> None:
    with open(os.environ["SYNC_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{kind} {json.dumps(change)}\n")


def main(path: Path) -> None:
    gallery = Gallery.create(path, SPEC)
    say("A", ("create", [], 0))
    changes: list[tuple[str, list[str], int]] = [
        ("add", ["a", "b", "c"], 1),
        ("add", ["b", "d"], 2),
        ("delete", ["a"], 0),
        ("compact", [], 0),
        ("add", ["a", "e"], 3),
        ("erase", ["d"], 0),
        ("add", ["f"], 4),
    ]
    for change in changes:
        kind, ids, seed = change
        say("B", change)
        if kind == "add":
            gallery.add([image(id, seed) for id in ids])
        elif kind == "compact":
            gallery.compact()
        else:
            gallery.delete(ids)
            if kind == "erase":
                gallery.purge()
        say("A", change)
    gallery.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
