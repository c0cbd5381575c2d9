"""A server with its page, over a gallery of generated people."""

import csv
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner
from server_process import START, ServerProcess, server_process

from partlens.cli.main import main
from partlens.explainer.starter import model_folder


@dataclass(frozen=True)
class PageServer:
    """A running server.

    Attributes:
        url: address of its page, without a slash at the end.
        pictures: folder of the pictures in its gallery, with their manifest.
    """

    url: str
    server: ServerProcess
    pictures: Path

    @property
    def target(self) -> str:
        """HOST:PORT of its gRPC services."""
        return self.server.address

    def picture(self, number: int = 0) -> Path:
        """The file of a picture of its gallery."""
        with (self.pictures / "manifest.csv").open(newline="") as opened:
            rows = list(csv.DictReader(opened))
        return self.pictures / rows[number]["path"]


def people(folder: Path, count: int, model: Path | None = None) -> tuple[Path, Path]:
    """(pictures, gallery): generated people, indexed with a model; the starter model by default."""
    pictures, gallery = folder / "people", folder / "gallery"
    run("starter", "pictures", "--count", count, "--seed", 1, "--out", pictures)
    model = model or model_folder()
    run("index", "create", gallery, "--model", model)
    run("index", "add", gallery, pictures / "manifest.csv", "--model", model)
    return pictures, gallery


def run(*words: object) -> str:
    """What a command of ours prints."""
    done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@contextmanager
def page_server(
    pictures: Path,
    gallery: Path,
    *more: str | Path,
    name: str = "page",
    port: int = 0,
    model: Path | None = None,
) -> Iterator[PageServer]:
    """`partlens serve` with its page.

    Args:
        more: more options.
        name: name of its files, unique for each server of one gallery.
        port: of the page; 0 picks a free one.
        model: folder of the gallery's model; the starter model by default.
    """
    file = gallery.parent / f"{name}.url"
    file.unlink(missing_ok=True)
    options: Sequence[str | Path] = (
        *("--http", f"127.0.0.1:{port}"),
        *("--set", f"server.http_address_file={file}"),
        *("--set", f"server.originals={pictures}"),
        *("--set", f"access.audit_log={gallery.parent / name}.audit.jsonl"),
        *more,
    )
    with server_process(model or model_folder(), gallery, *options, name=name) as server:
        end = time.monotonic() + START
        while not file.exists():
            assert time.monotonic() < end, server.log.read_text()
            time.sleep(0.05)
        yield PageServer(file.read_text().strip().rstrip("/"), server, pictures)
