"""Files that nobody may see half written."""

import os
from pathlib import Path


def write_atomically(path: Path, content: str | bytes, mode: int = 0o666) -> None:
    """Writes a file, on disk and whole when this returns; readers see the old one until then.

    Args:
        mode: its permissions, less the process's umask.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)  # of a process that was killed
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(file, "wb") as opened:
        opened.write(content.encode() if isinstance(content, str) else content)
        opened.flush()
        os.fsync(file)
    unfinished.replace(path)
