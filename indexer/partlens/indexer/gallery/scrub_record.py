"""What is remembered of reading a gallery's files, in a file beside the gallery."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from partlens.common.durable import write_atomically
from partlens.common.files import read_file
from partlens.indexer.gallery.findings import Finding

FORMAT = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pass:
    """One reading of all files.

    Attributes:
        started, ended: seconds since 1970; ended is None while it goes on.
        position: the place that was read last, "" before the first.
        files: files and folders read so far.
        bytes: of them.
        unchecked: files of the truth without a checksum, of those read so far.
    """

    started: float
    ended: float | None = None
    position: str = ""
    files: int = 0
    bytes: int = 0
    unchecked: int = 0


@dataclass(frozen=True)
class ScrubRecord:
    """What is remembered.

    Attributes:
        running: the pass that goes on, or that the next server goes on with; None if none does.
        last: the newest pass that covered everything.
        findings: damage that was found and not mended since, by place.
    """

    running: Pass | None = None
    last: Pass | None = None
    findings: Mapping[str, Finding] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "ScrubRecord":
        """That of a file; an empty one where there is none, or none that can be read."""
        try:
            plain = json.loads(read_file(path))
            if plain["format"] != FORMAT:
                raise ValueError(f"format {plain['format']!r}")
            findings = [Finding(**one) for one in plain["findings"]]
            return cls(
                _pass(plain["running"]), _pass(plain["last"]), {one.place: one for one in findings}
            )
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            _log.warning("%s cannot be read, and is written anew: %s", path.name, error)
            return cls()

    def write(self, path: Path) -> None:
        """All of it or nothing; OSError if the disk refuses it."""
        plain = {
            "format": FORMAT,
            "running": self.running and asdict(self.running),
            "last": self.last and asdict(self.last),
            "findings": [asdict(one) for one in self.findings.values()],
        }
        write_atomically(path, json.dumps(plain, indent=1).encode())


def beside(gallery: Path) -> Path:
    """Where a gallery's record is kept.

    >>> beside(Path("data/people")).as_posix()
    'data/people.scrub.json'
    """
    return gallery.with_name(f"{gallery.name}.scrub.json")


def _pass(plain: dict[str, Any] | None) -> Pass | None:
    return None if plain is None else Pass(**plain)
