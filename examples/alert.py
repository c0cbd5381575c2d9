"""Report each new image that contains a part, and save a picture that shows where.

    python alert.py suspect.jpg --box 26,2,52,40 --threshold 0.6 --camera door --out alerts/

The search is saved on the server, which scores each image as it is added. After a lost connection,
or when this program starts again, it resumes with the first image that it has not reported
(alerts/state.json): none is missed, and none is reported twice.
"""

import argparse
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

from partlens.client import (
    Box,
    Client,
    ClientError,
    ExhaustedError,
    Filter,
    GalleryImageId,
    StandingMatch,
    UnavailableError,
)


@dataclass
class Progress:
    """What was reported.

    Attributes:
        file: where it is kept.
        query: id of the standing query; "" if there is none yet.
        revision: of the last image that was reported; images before it are done.
        ids: images of that revision that were reported.
    """

    file: Path
    query: str = ""
    revision: int = 0
    ids: tuple[str, ...] = ()

    @classmethod
    def read(cls, file: Path) -> "Progress":
        """The progress of the last run."""
        known = json.loads(file.read_text()) if file.exists() else {}
        return cls(
            file, known.get("query", ""), known.get("revision", 0), tuple(known.get("ids", ()))
        )

    def is_new(self, match: StandingMatch) -> bool:
        """Whether a match has not been reported."""
        return match.revision > self.revision or match.hit.id not in self.ids

    def add(self, match: StandingMatch) -> None:
        """Remember a match that is reported."""
        same = match.revision == self.revision
        self.ids = (*(self.ids if same else ()), match.hit.id)
        self.revision = match.revision
        self.save()

    def save(self) -> None:
        """Write the file, all or nothing."""
        new = self.file.with_suffix(".new")
        new.write_text(
            json.dumps({"query": self.query, "revision": self.revision, "ids": self.ids})
        )
        new.replace(self.file)


def report(client: Client, match: StandingMatch, folder: Path) -> None:
    """Print a match, and draw it: replace this by what your alarm needs."""
    hit, known = match.hit, match.hit.image.metadata
    print(f"{match.query_name}: {hit.id}, score {hit.score:.3f}, camera {known.camera!r}")
    picture = client.get_picture(GalleryImageId(hit.id), max_side=1024)
    hit.overlay(picture.data).save(folder / (re.sub(r"[^\w.-]", "_", hit.id) + ".png"))


def main() -> None:
    """Watch until Ctrl-C."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture")
    parser.add_argument("--box", required=True, help="x,y,width,height of the part, in pixels")
    parser.add_argument("--threshold", type=float, required=True, help="lowest score that matches")
    parser.add_argument("--camera", action="append", default=[])
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--out", type=Path, default=Path("alerts"))
    parser.add_argument("--matches", type=int, help="stop after this number of matches")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    progress = Progress.read(given.out / "state.json")
    with Client(given.server) as client:
        if not progress.query:
            box = Box(*(float(number) for number in given.box.split(",")))
            saved = client.create_standing_query(
                "alert", given.picture, box, given.threshold, where=Filter(cameras=given.camera)
            )
            progress.query, progress.revision = saved.id, saved.created_revision
            progress.save()
        left = given.matches
        while left is None or left > 0:
            try:
                # From one before the last revision, as its other images may be missing.
                after = max(progress.revision - 1, 0)
                for match in client.watch_matches([progress.query], after_revision=after):
                    if progress.is_new(match):
                        report(client, match, given.out)
                        progress.add(match)
                        left = None if left is None else left - 1
                        if left == 0:
                            break
            except (ExhaustedError, UnavailableError) as error:
                print(f"waiting: {error}")
                time.sleep(error.retry_seconds or 5)
            except ClientError as error:
                raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
