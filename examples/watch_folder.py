"""Upload each picture that appears in a folder, under its file name as id.

    python watch_folder.py photos/ --server 127.0.0.1:50051 --camera door

It can be stopped and started again: images that the gallery has with the same bytes are skipped.
A file counts as complete once its size and time stay the same between two looks.
"""

import argparse
import hashlib
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from partlens.client import (
    Client,
    Credentials,
    ExhaustedError,
    Metadata,
    UnavailableError,
    Upload,
)

ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}
Stamp = tuple[int, int]


def stamps(folder: Path) -> dict[Path, Stamp]:
    """Size and time of each picture in the folder."""
    found = {}
    for path in folder.rglob("*"):
        if path.suffix.lower() in ENDINGS:
            with suppress(FileNotFoundError):  # removed meanwhile
                status = path.stat()
                found[path] = (status.st_size, status.st_mtime_ns)
    return found


def complete(folder: Path, every: float) -> Iterator[list[Path]]:
    """Yield the files that are new or changed, and were complete, at each look."""
    before, given = stamps(folder), dict[Path, Stamp]()
    while True:
        time.sleep(every)
        now = stamps(folder)
        settled = [
            path
            for path, stamp in now.items()
            if before.get(path) == stamp and given.get(path) != stamp
        ]
        given |= {path: now[path] for path in settled}
        before = now
        yield sorted(settled)


def upload(client: Client, folder: Path, paths: list[Path], camera: str) -> None:
    """Upload files, and print what became of each; wait as long as the server asks for."""
    uploads = []
    for path in paths:
        try:
            data, taken = path.read_bytes(), path.stat().st_mtime
        except OSError as error:
            print(f"skipped {path}: {error.strerror}")
            continue
        metadata = Metadata(camera, captured_at=datetime.fromtimestamp(taken, UTC))
        id, uri = path.relative_to(folder).as_posix(), path.resolve().as_uri()
        uploads.append(Upload(id, data, uri, metadata))
    while uploads:
        try:
            for sent in client.upsert_images(uploads):
                print(sent.id, "committed" if sent.committed else f"refused: {sent.message}")
            return
        except (ExhaustedError, UnavailableError) as error:  # sent again, each replaces itself
            print(f"waiting: {error}")
            time.sleep(error.retry_seconds or 5)


def held(client: Client) -> dict[str, str]:
    """The digest of each image of the gallery, by id."""
    return {image.id: image.media_digest for image in client.list_images()}


def main() -> None:
    """Watch until Ctrl-C."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--camera", default="")
    parser.add_argument("--token-file", type=Path)
    parser.add_argument("--ca", type=Path)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two looks")
    parser.add_argument("--looks", type=int, help="stop after this number of looks")
    given = parser.parse_args()
    credentials = Credentials(
        token=given.token_file.read_text().strip() if given.token_file else "",
        ca=given.ca.read_bytes() if given.ca else b"",
    )
    with Client(given.server, credentials=credentials) as client:
        client.wait_until_ready()
        known = held(client)
        for look, paths in enumerate(complete(given.folder, given.every), start=1):
            new = [path for path in paths if not is_held(path, given.folder, known)]
            upload(client, given.folder, new, given.camera)
            if look == given.looks:
                return


def is_held(path: Path, folder: Path, known: dict[str, str]) -> bool:
    """Whether the gallery had the file, with these bytes, when this program began."""
    digest = known.pop(path.relative_to(folder).as_posix(), "")
    with suppress(OSError):  # reported when it is uploaded
        return digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    return False


if __name__ == "__main__":
    main()
