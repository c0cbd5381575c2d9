"""A server on loopback, in its own process, for the duration of a measurement."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

_START, _STOP = 300.0, 120.0
"""Shards of a server take a minute to load on a busy machine."""


@contextmanager
def served(model: Path, gallery: Path, texts: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
    """The server's address and process id."""
    with tempfile.TemporaryDirectory() as folder:
        address_file, log = Path(folder) / "address", Path(folder) / "log"
        options = ["--model", str(model), "--gallery", str(gallery), "--listen", "127.0.0.1:0"]
        options += ["--address-file", str(address_file)]
        options += ["--set", f"access.audit_log={Path(folder) / 'audit.jsonl'}"]
        for text in texts:
            options += ["--set", text]
        command = [sys.executable, "-m", "partlens.cli", "serve", *options]
        with (
            log.open("w") as opened,
            subprocess.Popen(command, stdout=opened, stderr=subprocess.STDOUT) as process,
        ):
            try:
                end = time.monotonic() + _START
                while not address_file.exists():
                    if process.poll() is not None or time.monotonic() > end:
                        raise click.ClickException(f"the server did not start: {log.read_text()}")
                    time.sleep(0.05)
                yield address_file.read_text().strip(), process.pid
            finally:
                process.terminate()
                process.wait(_STOP)
