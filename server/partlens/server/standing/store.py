"""Standing queries on disk, one file each, shared by the servers of one gallery."""

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from partlens.common.durable import make_folder, sync, write_atomically
from partlens.common.filters import from_plain, to_plain
from partlens.explainer.errors import ExplainerError
from partlens.explainer.scoring import MIXTURES
from partlens.explainer.spec import ModelSpec
from partlens.server.errors import StandingQueryError
from partlens.server.query_images.prepared import PreparedMark, PreparedRegion, PreparedSearch
from partlens.server.query_images.query import Query
from partlens.server.standing.query import StandingQuery

_FORMATS, _SUFFIX = (1, 2, 3), ".safetensors"
# Conditions that no query of an earlier format has.
_LATER_CONDITIONS = {"exclude_media": (), "ids": ()}
_ID = re.compile(r"s-[0-9a-f]{16}")
_log = logging.getLogger(__name__)


class StandingStore:
    """A folder of standing queries. Queries of another model are skipped.

    Args:
        folder: created when the first query is saved.
        spec: model that the gallery is bound to.
    """

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        self._folder, self._spec = folder, spec
        self._stamp: object = None
        self._read: dict[str, tuple[int, StandingQuery | None]] = {}
        self._queries: Mapping[str, StandingQuery] = {}

    def read(self) -> Mapping[str, StandingQuery]:
        """All standing queries by id, in order of creation. Scans the folder, and reads only files
        that have changed; if none has, returns the same object as before."""
        stamp = self._look()
        if stamp != self._stamp:
            found = sorted(self._load(), key=lambda one: (one.created_at, one.id))
            self._queries, self._stamp = {one.id: one for one in found}, stamp
        return self._queries

    def add(self, query: StandingQuery) -> None:
        """Saves one; on disk when this returns.

        Raises:
            StandingQueryError: the disk refused it.
        """
        try:
            make_folder(self._folder)
            write_atomically(self._path(query.id), _encoded(query), mode=0o600)
        except OSError as error:
            raise StandingQueryError(f"it cannot be saved: {error.strerror}") from error

    def remove(self, id: str) -> None:
        """Deletes one, with its features; on disk when this returns.

        Raises:
            StandingQueryError: the disk refused it.
        """
        try:
            self._path(id).unlink(missing_ok=True)
            sync(self._folder)
        except OSError as error:
            raise StandingQueryError(f"it cannot be deleted: {error.strerror}") from error

    def _path(self, id: str) -> Path:
        if not _ID.fullmatch(id):
            raise StandingQueryError(f"{id!r} is not the id of a standing query")
        return self._folder / f"{id}{_SUFFIX}"

    def _look(self) -> object:
        try:
            return [(entry.name, entry.stat().st_mtime_ns) for entry in self._files()]
        except OSError:
            return None

    def _files(self) -> list[os.DirEntry[str]]:
        if not self._folder.is_dir():
            return []
        found = (entry for entry in os.scandir(self._folder) if entry.name.endswith(_SUFFIX))
        return sorted(
            (one for one in found if not one.name.startswith(".")), key=lambda one: one.name
        )

    def _load(self) -> Iterator[StandingQuery]:
        before, self._read = self._read, {}
        for entry in self._files():
            stamp = entry.stat().st_mtime_ns
            known = before.get(entry.name)
            query = known[1] if known and known[0] == stamp else self._load_one(entry)
            self._read[entry.name] = stamp, query
            if query is not None:
                yield query

    def _load_one(self, entry: os.DirEntry[str]) -> StandingQuery | None:
        """The query of a file; None if it is to be skipped."""
        try:
            query = _decoded(Path(entry.path), self._spec)
        except StandingQueryError as error:
            _log.error("skipped standing query %s: %s", entry.name, error)
            return None
        if query.model_digest != self._spec.digest:
            _log.warning("skipped standing query %s: it belongs to another model", query.id)
            return None
        return query


def _encoded(query: StandingQuery) -> bytes:
    tensors: dict[str, NDArray[np.float32]] = {}
    search = query.search
    places = [mark.place for mark in search.marks]
    for i, image in enumerate(search.images):
        tensors[f"images.{i}.contributions"] = np.ascontiguousarray(image.contributions)
        tensors[f"images.{i}.bias"] = np.ascontiguousarray(image.bias)
    for name, some in (("regions", search.regions), ("marks", places)):
        for i, region in enumerate(some):
            tensors[f"{name}.{i}.coverage"] = np.ascontiguousarray(region.coverage)
    plain = {
        "format": _format_of(query),
        "id": query.id,
        "name": query.name,
        "token": query.token,
        "score": query.score,
        "threshold": query.threshold,
        "where": to_plain(query.where),
        "created_at": query.created_at.isoformat(),
        "created_revision": query.created_revision,
        "model_digest": query.model_digest,
        "images": [[image.id, *image.image_size] for image in search.images],
        "regions": [_plain(region) for region in search.regions],
        "marks": [[mark.region, *_plain(mark.place)] for mark in search.marks],
    }
    return save(tensors, metadata={"partlens": json.dumps(plain)})


def _plain(region: PreparedRegion) -> list[object]:
    # Format 1 has no third value.
    return [region.image, region.weight, *([True] if region.whole else [])]


def _format_of(query: StandingQuery) -> int:
    """The oldest format whose readers leave out no part of the query."""
    if query.where.ids:
        return 3
    regions = [*query.search.regions, *(mark.place for mark in query.search.marks)]
    whole = any(region.whole for region in regions)
    return 2 if query.search.marks or query.where.exclude_media or whole else 1


def _decoded(path: Path, spec: ModelSpec) -> StandingQuery:
    try:
        with safe_open(path, framework="numpy") as file:
            plain: Any = json.loads((file.metadata() or {})["partlens"])
            if plain["format"] not in _FORMATS:
                raise StandingQueryError(
                    f"format {plain['format']}; this version reads formats 1 to {_FORMATS[-1]}"
                )
            images = tuple(
                Query(
                    str(id),
                    (int(width), int(height)),
                    file.get_tensor(f"images.{i}.contributions"),
                    file.get_tensor(f"images.{i}.bias"),
                )
                for i, (id, width, height) in enumerate(plain["images"])
            )
            regions = tuple(
                _region(file.get_tensor(f"regions.{i}.coverage"), *one)
                for i, one in enumerate(plain["regions"])
            )
            marks = tuple(
                PreparedMark(int(of), _region(file.get_tensor(f"marks.{i}.coverage"), *one))
                for i, (of, *one) in enumerate(plain.get("marks", []))
            )
        query = _query(plain, PreparedSearch(images, regions, marks, spec.grid))
        if query.model_digest == spec.digest:
            query.search.check()
        return query
    except (
        OSError, ValueError, KeyError, TypeError, IndexError, SafetensorError, ExplainerError,
        RecursionError,
    ) as error:  # fmt: skip
        if isinstance(error, StandingQueryError):
            raise
        raise StandingQueryError(f"it cannot be read: {error}") from error


def _region(
    coverage: NDArray[np.float32], image: Any, weight: Any, whole: Any = False
) -> PreparedRegion:
    return PreparedRegion(int(image), coverage, float(weight), bool(whole))


def _query(plain: Any, search: PreparedSearch) -> StandingQuery:
    # Version 0.1 wrote "default" for CONTEXT.
    score: Any = "context" if plain["score"] == "default" else plain["score"]
    if score not in MIXTURES:
        raise StandingQueryError(f"score {plain['score']!r} is not known")
    return StandingQuery(
        id=str(plain["id"]),
        name=str(plain["name"]),
        token=str(plain["token"]),
        score=score,
        threshold=float(plain["threshold"]),
        where=from_plain({**_LATER_CONDITIONS, **plain["where"]}),
        created_at=datetime.fromisoformat(plain["created_at"]),
        created_revision=int(plain["created_revision"]),
        model_digest=str(plain["model_digest"]),
        search=search,
    )
