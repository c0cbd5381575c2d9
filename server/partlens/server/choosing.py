"""Which galleries `partlens serve` serves, and how it loads them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from partlens.common.bucket_address import Place
from partlens.common.compute import Compute
from partlens.common.gallery_names import UNNAMED, is_gallery_name
from partlens.explainer.model import MetricModel, read_spec
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.home.locate import folder_of
from partlens.runtime.config.settings import Settings
from partlens.runtime.errors import SettingsError
from partlens.server.engine.engine import Engine
from partlens.server.galleries.aliases import near
from partlens.server.shards.cluster import ShardCluster


@dataclass(frozen=True)
class ChosenGallery:
    """A gallery and its model.

    Attributes:
        place: where the gallery is.
        model: folder; None only if models were not needed.
    """

    place: Place
    model: Path | None

    @property
    def path(self) -> Path:
        """Folder on this machine that belongs to the gallery; see locate.folder_of."""
        return folder_of(self.place)


@dataclass(frozen=True)
class ChosenGalleries:
    """What to serve.

    Attributes:
        by_name: own name -> gallery; the default is first.
        aliases: file of the aliases; None if the only gallery has no name.
    """

    by_name: Mapping[str, ChosenGallery]
    aliases: Path | None

    @property
    def default(self) -> ChosenGallery:
        """The gallery of calls that name none."""
        return next(iter(self.by_name.values()))


def gallery_flags(galleries: Sequence[str], models: Sequence[str]) -> dict[str, Any]:
    """Settings of the section server from --gallery and --model, each PATH or NAME=PATH.

    Raises:
        SettingsError: some have names and some do not, or a name is given twice.
    """
    of_galleries, of_models = _named("--gallery", galleries), _named("--model", models)
    every = of_models.pop("", None)
    flags: dict[str, Any] = {} if every is None else {"model": every}
    if "" in of_galleries:
        if len(of_galleries) > 1 or of_models:
            raise SettingsError(
                "give each of several galleries a name: --gallery NAME=PATH; names begin with a"
                " lower-case letter or digit"
            )
        return {**flags, "gallery": of_galleries[""], "galleries": {}}
    if unknown := sorted(of_models.keys() - of_galleries.keys()):
        raise SettingsError(f"--model {unknown[0]}=... names a gallery that no --gallery gives")
    if of_galleries:
        tables = {
            name: {"path": path, **({"model": of_models[name]} if name in of_models else {})}
            for name, path in of_galleries.items()
        }
        return {**flags, "galleries": tables, "gallery": ""}
    return flags


def chosen_galleries(settings: Settings, *, need_models: bool = True) -> ChosenGalleries:
    """The galleries that the settings name.

    Args:
        need_models: whether each needs a model.

    Raises:
        SettingsError: there is none, a model is missing, or the settings contradict each other.
    """
    server = settings.server
    if server.gallery is not None and server.galleries:
        raise SettingsError("server.gallery and server.galleries are both set; give one of them")
    if server.gallery is not None:
        if server.default_gallery or server.aliases:
            raise SettingsError(
                "server.default_gallery and server.aliases need named galleries: name the gallery"
                " in server.galleries, or with --gallery NAME=PATH"
            )
        unnamed = ChosenGallery(server.gallery, server.model)
        return _with_models(ChosenGalleries({UNNAMED: unnamed}, None), need_models)
    if not server.galleries:
        raise SettingsError("give --gallery FOLDER, or set server.gallery in partlens.toml")
    if settings.standing.folder:
        raise SettingsError(
            "standing.folder is for a server of one gallery without a name; move the folder to"
            " GALLERY.standing, next to the gallery, and leave the setting out"
        )
    default = server.default_gallery or next(iter(server.galleries))
    if default not in server.galleries:
        raise SettingsError(
            f"server.default_gallery = {default} is not one of server.galleries:"
            f" {', '.join(server.galleries)}"
        )
    names = [default, *(name for name in server.galleries if name != default)]
    chosen = {
        name: ChosenGallery(one.path, one.model or server.model)
        for name, one in ((name, server.galleries[name]) for name in names)
    }
    _require_different(chosen)
    aliases = server.aliases or near(chosen[default].path.resolve())
    return _with_models(ChosenGalleries(chosen, aliases), need_models)


class Loader:
    """Loads galleries; a model that several of them share is loaded once.

    Args:
        cluster: serves the shards that answer their searches; None to search in this process.
    """

    def __init__(self, cluster: ShardCluster | None = None) -> None:
        self._models: dict[str, MetricModel] = {}
        self._cluster = cluster

    def makes(
        self, chosen: ChosenGalleries, settings: Settings
    ) -> Mapping[str, Callable[[], Engine]]:
        """By name, what creates the engine of a gallery; to be called on one thread."""
        return {
            name: partial(self._load, name, one, settings) for name, one in chosen.by_name.items()
        }

    def _load(self, name: str, one: ChosenGallery, settings: Settings) -> Engine:
        server = settings.server
        if one.model is None:
            raise SettingsError(f"gallery {name} has no model")
        digest = read_spec(one.model).digest
        if digest not in self._models:
            compute = Compute(server.device, server.precision)
            self._models[digest] = MetricModel.load(one.model, compute)
        model, place = self._models[digest], one.place
        shards = None if self._cluster is None else self._cluster.shards_of(name, place)
        gallery = Gallery.open(place, model.spec, server.device, shards)
        return Engine(model, gallery, settings.limits)


def _named(option: str, texts: Sequence[str]) -> dict[str, str]:
    """PATH or NAME=PATH, by name; "" for a path without a name."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        named = bool(equals and path) and is_gallery_name(name)
        key = name if named else ""
        if key in found:
            raise SettingsError(f"{option} {text}: give each gallery once, as NAME=PATH")
        found[key] = path if named else text
    return found


def _with_models(chosen: ChosenGalleries, needed: bool) -> ChosenGalleries:
    for name, one in chosen.by_name.items():
        if needed and one.model is None:
            of = "" if chosen.aliases is None else f" for gallery {name}"
            raise SettingsError(f"give --model FOLDER{of}, or set server.model in partlens.toml")
    return chosen


def _require_different(chosen: Mapping[str, ChosenGallery]) -> None:
    """Raise SettingsError if two names are one gallery, which two writers would fight over."""
    by_folder: dict[Path, str] = {}
    for name, one in chosen.items():
        other = by_folder.setdefault(one.path.resolve(), name)
        if other != name:
            raise SettingsError(
                f"galleries {other} and {name} are the same place {one.place}; give it one name,"
                " and the other as an alias (`partlens gallery alias`)"
            )
