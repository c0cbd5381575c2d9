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
from partlens.common.filters import Filter
from partlens.explainer.errors import ShapeError
from partlens.explainer.scoring import MIXTURES
from partlens.explainer.spec import ModelSpec
from partlens.server.errors import StandingQueryError
from partlens.server.query_images.query import Query
from partlens.server.standing.query import SavedRegion, StandingQuery

_FORMAT, _SUFFIX = 1, ".safetensors"
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
    for i, image in enumerate(query.images):
        tensors[f"images.{i}.contributions"] = np.ascontiguousarray(image.contributions)
        tensors[f"images.{i}.bias"] = np.ascontiguousarray(image.bias)
    for i, region in enumerate(query.regions):
        tensors[f"regions.{i}.coverage"] = np.ascontiguousarray(region.coverage)
    where = query.where
    plain = {
        "format": _FORMAT,
        "id": query.id,
        "name": query.name,
        "token": query.token,
        "score": query.score,
        "threshold": query.threshold,
        "where": {
            "cameras": sorted(where.cameras),
            "tracks": sorted(where.tracks),
            "captured_after": _iso(where.captured_after),
            "captured_before": _iso(where.captured_before),
            "attributes": dict(where.attributes),
            "exclude_ids": sorted(where.exclude_ids),
            "exclude_cameras": sorted(where.exclude_cameras),
        },
        "created_at": query.created_at.isoformat(),
        "created_revision": query.created_revision,
        "model_digest": query.model_digest,
        "images": [[image.id, *image.image_size] for image in query.images],
        "regions": [[region.image, region.weight] for region in query.regions],
    }
    return save(tensors, metadata={"partlens": json.dumps(plain)})


def _decoded(path: Path, spec: ModelSpec) -> StandingQuery:
    try:
        with safe_open(path, framework="numpy") as file:
            plain: Any = json.loads((file.metadata() or {})["partlens"])
            if plain["format"] != _FORMAT:
                raise StandingQueryError(
                    f"format {plain['format']}; this version reads format {_FORMAT}"
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
                SavedRegion(int(image), file.get_tensor(f"regions.{i}.coverage"), float(weight))
                for i, (image, weight) in enumerate(plain["regions"])
            )
        query = _query(plain, images, regions)
        if query.model_digest == spec.digest:
            query.parts(spec)
        return query
    except (
        OSError, ValueError, KeyError, TypeError, IndexError, SafetensorError, ShapeError,
        RecursionError,
    ) as error:  # fmt: skip
        if isinstance(error, StandingQueryError):
            raise
        raise StandingQueryError(f"it cannot be read: {error}") from error


def _query(
    plain: Any, images: tuple[Query, ...], regions: tuple[SavedRegion, ...]
) -> StandingQuery:
    where = plain["where"]
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
        where=Filter(
            frozenset(where["cameras"]),
            frozenset(where["tracks"]),
            _time(where["captured_after"]),
            _time(where["captured_before"]),
            dict(where["attributes"]),
            frozenset(where["exclude_ids"]),
            frozenset(where["exclude_cameras"]),
        ),
        created_at=datetime.fromisoformat(plain["created_at"]),
        created_revision=int(plain["created_revision"]),
        model_digest=str(plain["model_digest"]),
        images=images,
        regions=regions,
    )


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
