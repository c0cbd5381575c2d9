"""List the images of a folder and count everything else."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePath

from partlens.common.ids import IdError, require_id
from partlens.common.metadata import Metadata
from partlens.common.text import visible
from partlens.explainer.folders import contents
from partlens.explainer.images import SUFFIXES
from partlens.indexer.places import file_uri, id_below
from partlens.indexer.sources.image import ImageFile, MissingImage, SourceImage

_ENDINGS = 12
"""Maximum number of endings listed; the others are counted together."""
_LONGEST_ENDING = 12
_NAMED_FOLDERS = 3


def folder_images(folder: Path) -> tuple[tuple[SourceImage, ...], str]:
    """The images of a folder and its subfolders, and everything else there, in one line.

    An image's id is the folder's name and the path below it, such as 2024/a.jpg. A file with a path
    that cannot be an id becomes a MissingImage, so that it is reported without stopping the rest.

    Returns:
        Images in a fixed order, and a line such as "12 .mov, 1 without an ending; 2 linked folders
        not followed", or "" if there is nothing else.
    """
    found = contents(folder)
    images = [path for path in found.files if path.suffix.lower() in SUFFIXES]
    others = (path for path in found.files if path.suffix.lower() not in SUFFIXES)
    parts = [by_ending(others)]
    if found.unreadable:
        parts.append(_folders(folder, found.unreadable, "unreadable"))
    if found.linked:
        parts.append(_folders(folder, found.linked, "linked and not followed"))
    return tuple(_image(folder, path) for path in images), "; ".join(filter(None, parts))


def _image(folder: Path, path: Path) -> SourceImage:
    id = id_below(folder, path.relative_to(folder).as_posix())
    try:
        require_id(id)
    except IdError as error:
        return MissingImage(visible(id), file_uri(path), Metadata(), str(error))
    return ImageFile(id, path, Metadata())


def by_ending(files: Iterable[PurePath]) -> str:
    """How many files have each ending, in one line."""
    counts = Counter(path.suffix.lower() for path in files)
    short = {ending: n for ending, n in counts.items() if len(ending) <= _LONGEST_ENDING}
    named = sorted(short.items(), key=lambda one: (one[0] == "", -one[1], one[0]))[:_ENDINGS]
    texts = [f"{count} {visible(ending) or 'without an ending'}" for ending, count in named]
    if rest := counts.total() - sum(count for _, count in named):
        texts.append(f"{rest} with other endings")
    return ", ".join(texts)


def _folders(root: Path, folders: tuple[Path, ...], what: str) -> str:
    names = [visible(path.relative_to(root).as_posix()) for path in folders[:_NAMED_FOLDERS]]
    more = ", ..." if len(folders) > _NAMED_FOLDERS else ""
    plural = "s" if len(folders) > 1 else ""
    return f"{len(folders)} folder{plural} {what}: {', '.join(names)}{more}"
