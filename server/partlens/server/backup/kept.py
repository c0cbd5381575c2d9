"""The files that a server keeps besides its gallery, as a snapshot needs them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from partlens.indexer.gallery.durability import files_below
from partlens.indexer.gallery.snapshot import Other
from partlens.runtime.config.settings import Settings
from partlens.server.audit.files import earlier
from partlens.server.audit.log import beside as log_beside
from partlens.server.standing.standing import beside as standing_beside

_OUTPUTS = {"server.address_file", "server.http_address_file"}
"""Settings that name files which a server writes as it starts."""


def kept_files(
    gallery: Path, settings: Settings, config: Path | None, more: Sequence[Path]
) -> list[Other]:
    """Audit log, standing queries, settings, and every file or folder that the settings name.

    Files below the folder that holds the gallery keep their place in it; others go below
    "elsewhere".

    Args:
        gallery: resolved path.
        config: file of the settings.
        more: other files and folders to keep.
    """
    log = settings.access.audit_log or log_beside(gallery)
    found = list(_log(log, gallery.parent))
    folder = settings.standing.folder or standing_beside(gallery)
    named = [("standing.folder", folder), *_named(settings)]
    if config:
        named.append(("config", config))
        # In a folder by `partlens setup`: the authority's key and the clients' files.
        if config.resolve().parent == gallery.parent:
            named += [("setup", gallery.parent / name) for name in ("tls", "clients")]
    named += [(f"more-{number}", path) for number, path in enumerate(more, 1)]
    done = {other.source for other in found}
    for name, path in named:
        files = [file for file in sorted(_files(path)) if not _is_passing(file)]
        for file in files:
            if file.resolve() not in done and not file.resolve().is_relative_to(gallery):
                found.append(_other(file, name, path, gallery.parent))
                done.add(file.resolve())
    return found


def _log(log: Path, root: Path) -> Iterator[Other]:
    """The files of the audit log, each with its inode, as a rotation renames them."""
    if log.parent.is_dir():
        for path in [*(part.path for part in earlier(log)), *([log] if log.exists() else [])]:
            made = _other(path, "access.audit_log", path, root)
            yield Other(made.source, made.place, lines=True, inode=path.stat().st_ino)


def _named(settings: Settings) -> Iterator[tuple[str, Path]]:
    for section in type(settings).model_fields:
        for key, value in getattr(settings, section):
            name = f"{section}.{key}"
            apart = {"server.gallery", "access.audit_log", "standing.folder"}
            if isinstance(value, Path) and name not in _OUTPUTS | apart:
                yield name, value


def _files(path: Path) -> set[Path]:
    return files_below(path) if path.is_dir() else {path} if path.exists() else set()


def _is_passing(file: Path) -> bool:
    """Whether it is a draft or a lock, which the next process makes again."""
    return file.name.startswith(".")


def _other(file: Path, name: str, under: Path, root: Path) -> Other:
    real = file.resolve()
    if real.is_relative_to(root):
        return Other(real, real.relative_to(root).as_posix())
    below = file.relative_to(under).as_posix() if file != under else "."
    place = Path("elsewhere", name, under.resolve().name, below)
    return Other(real, place.as_posix())
