"""The files that a server keeps besides its gallery, as a snapshot needs them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from partlens.indexer.gallery.durability import files_below
from partlens.indexer.gallery.snapshot import Other
from partlens.runtime.config.settings import Settings
from partlens.server.audit.files import earlier
from partlens.server.audit.log import beside as log_beside
from partlens.server.choosing import chosen_galleries
from partlens.server.galleries.aliases import near
from partlens.server.standing.standing import folder_of

_OUTPUTS = {"server.address_file", "server.http_address_file"}
"""Settings that name files which a server writes as it starts."""


def kept_files(
    gallery: Path, settings: Settings, config: Path | None, more: Sequence[Path]
) -> list[Other]:
    """Audit log, standing queries, aliases, settings, and every file or folder that these name.

    Files below the folder that holds the gallery keep their place in it; others go below
    "elsewhere". Nothing of the server's other galleries is among them but their models.

    Args:
        gallery: resolved path.
        config: file of the settings.
        more: other files and folders to keep.
    """
    served = _served(settings)
    is_served = gallery in served.values()
    default = next(iter(served.values())) if is_served else gallery
    found = list(_log(settings.access.audit_log or log_beside(default), gallery.parent))
    named = [("standing.folder", folder_of(gallery, settings)), *_named(settings)]
    if is_served and settings.server.galleries:
        named.append(("server.aliases", settings.server.aliases or near(default)))
    if config:
        named.append(("config", config))
        # In a folder by `partlens setup`: the authority's key and the clients' files.
        if config.resolve().parent == gallery.parent:
            named += [("setup", gallery.parent / name) for name in ("tls", "clients")]
    named += [(f"more-{number}", path) for number, path in enumerate(more, 1)]
    done = {other.source for other in found}
    for name, path in named:
        for file in sorted(_files(path)):
            real = file.resolve()
            inside = any(real.is_relative_to(one) for one in (gallery, *served.values()))
            if not _is_passing(file) and real not in done and not inside:
                found.append(_other(file, name, path, gallery.parent))
                done.add(real)
    return found


def galleries_left_out(gallery: Path, settings: Settings) -> list[str]:
    """Names of the server's other galleries.

    Args:
        gallery: resolved path.
    """
    return [name for name, path in _served(settings).items() if path != gallery]


def _served(settings: Settings) -> dict[str, Path]:
    """The galleries that the settings name; the default one is first."""
    if settings.server.gallery is None and not settings.server.galleries:
        return {}
    chosen = chosen_galleries(settings, need_models=False)
    return {name: one.path.resolve() for name, one in chosen.by_name.items()}


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
            apart = {"server.gallery", "server.aliases", "access.audit_log", "standing.folder"}
            if isinstance(value, Path) and name not in _OUTPUTS | apart:
                yield name, value
    for name, gallery in settings.server.galleries.items():
        if gallery.model is not None:
            yield f"server.galleries.{name}.model", gallery.model


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
