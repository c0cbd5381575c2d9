"""Standing queries on disk, one file each, shared by the servers of one gallery."""

import json
import logging
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from partlens.common.durable import locked, make_folder, sync, write_atomically
from partlens.common.filters import NESTED, Filter, from_plain, to_plain
from partlens.explainer.errors import ExplainerError
from partlens.explainer.scoring import MIXTURES
from partlens.explainer.spec import ModelSpec
from partlens.server.errors import StandingQueryError, UnknownStandingQueryError
from partlens.server.query_images.prepared import PreparedMark, PreparedRegion, PreparedSearch
from partlens.server.query_images.query import Query
from partlens.server.standing.pauses import Pause, Pauses
from partlens.server.standing.query import StandingQuery

_FORMATS, _SUFFIX = (1, 2, 3, 4), ".safetensors"
LOCK = ".lock"
"""File that a change holds locked."""
_REQUEST = "request"
"""Readers that do not know it leave out no part of the query."""
# Conditions that no query of an earlier format has.
_LATER_CONDITIONS = {"exclude_media": (), "ids": ()}
_ID = re.compile(r"s-[0-9a-f]{16}")
_log = logging.getLogger(__name__)
_Stamp = tuple[int, int, int]
"""What differs after every change of a file."""


class StandingStore:
    """A folder of standing queries. Queries of another model are skipped.

    Args:
        folder: created when the first query is saved.
        spec: model that the gallery is bound to.
    """

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        self._folder, self._spec = folder, spec
        self._stamps: Mapping[str, _Stamp] = {}
        self._read: dict[str, tuple[_Stamp, StandingQuery | None]] = {}
        self._queries: Mapping[str, StandingQuery] = {}

    def read(self) -> Mapping[str, StandingQuery]:
        """All standing queries by id, in order of creation. Scans the folder, and reads only files
        that have changed; if none has, returns the same object as before."""
        stamps = self._look()
        if stamps != self._stamps:
            found = sorted(self._load(stamps), key=lambda one: (one.created_at, one.id))
            self._queries, self._stamps = {one.id: one for one in found}, stamps
        return self._queries

    def every(self) -> Iterator[tuple[str, StandingQuery | None]]:
        """All by id, also those of other models; None for one that cannot be read."""
        for name in self._look():
            try:
                query = _decoded(self._folder / name, self._spec)
            except StandingQueryError as error:
                _log.error("standing query %s: %s", name, error)
                query = None
            yield name.removesuffix(_SUFFIX), query

    def add(self, query: StandingQuery, request: bytes = b"") -> None:
        """Saves one; on disk when this returns.

        Args:
            request: the CreateStandingQueryRequest that made it, from which it can be made again
                for another model; b"" if that is not known.

        Raises:
            StandingQueryError: the disk refused it.
        """
        try:
            make_folder(self._folder)
            with locked(self._folder / LOCK):
                write_atomically(self._path(query.id), _encoded(query, request), mode=0o600)
        except OSError as error:
            raise StandingQueryError(f"it cannot be saved: {error.strerror}") from error

    def request(self, id: str) -> bytes:
        """The request that made one; b"" if it is not known.

        It is not kept in memory, since it may hold pictures.

        Raises:
            StandingQueryError: there is no such file, or it cannot be read.
        """
        try:
            with safe_open(self._path(id), framework="numpy") as file:
                known = _REQUEST in file.keys()  # it is not a mapping
                return file.get_tensor(_REQUEST).tobytes() if known else b""
        except (OSError, ValueError, SafetensorError) as error:
            raise StandingQueryError(f"it cannot be read: {error}") from error

    def update(self, id: str, change: Callable[[StandingQuery], StandingQuery]) -> StandingQuery:
        """Replaces one by what `change` makes of it, and returns that; on disk when this returns.

        Raises:
            UnknownStandingQueryError: there is none with this id.
            StandingQueryError: the disk refused it.
        """
        path = self._path(id)
        try:
            # Of two servers that change it at once, the second changes what the first has saved.
            with locked(self._folder / LOCK):
                before = self.read().get(id)
                if before is None:
                    raise UnknownStandingQueryError(f"there is no standing query {id!r}")
                after = change(before)
                write_atomically(path, _encoded(after, self.request(id)), mode=0o600)
                return after
        except OSError as error:
            raise StandingQueryError(f"it cannot be changed: {error.strerror}") from error

    def remove(self, id: str) -> None:
        """Deletes one, with its features; on disk when this returns.

        Raises:
            StandingQueryError: the disk refused it.
        """
        path = self._path(id)
        try:
            # An update at the same moment would bring it back.
            with locked(self._folder / LOCK):
                path.unlink(missing_ok=True)
                sync(self._folder)
        except OSError as error:
            raise StandingQueryError(f"it cannot be deleted: {error.strerror}") from error

    def _path(self, id: str) -> Path:
        if not _ID.fullmatch(id):
            raise StandingQueryError(f"{id!r} is not the id of a standing query")
        return self._folder / f"{id}{_SUFFIX}"

    def _look(self) -> Mapping[str, "_Stamp"]:
        """The stamp of each file, by name, in order of name."""
        if not self._folder.is_dir():
            return {}
        found = dict[str, _Stamp]()
        for entry in os.scandir(self._folder):
            if entry.name.endswith(_SUFFIX) and not entry.name.startswith("."):
                with suppress(FileNotFoundError):  # deleted since
                    found[entry.name] = _stamp(entry.stat())
        return dict(sorted(found.items()))

    def _load(self, stamps: Mapping[str, "_Stamp"]) -> Iterator[StandingQuery]:
        before, self._read = self._read, {}
        for name, stamp in stamps.items():
            known = before.get(name)
            query = known[1] if known and known[0] == stamp else self._load_one(name)
            self._read[name] = stamp, query
            if query is not None:
                yield query

    def _load_one(self, name: str) -> StandingQuery | None:
        """The query of a file; None if it is to be skipped."""
        try:
            query = _decoded(self._folder / name, self._spec)
        except StandingQueryError as error:
            _log.error("skipped standing query %s: %s", name, error)
            return None
        if query.model_digest != self._spec.digest:
            _log.warning("skipped standing query %s: it belongs to another model", query.id)
            return None
        return query


def _encoded(query: StandingQuery, request: bytes) -> bytes:
    tensors: dict[str, NDArray[np.float32] | NDArray[np.uint8]] = {}
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
        "pauses": [[pause.after, pause.until] for pause in query.pauses.each],
        "model_digest": query.model_digest,
        "images": [[image.id, *image.image_size] for image in search.images],
        "regions": [_plain(region) for region in search.regions],
        "marks": [[mark.region, *_plain(mark.place)] for mark in search.marks],
    }
    if request:
        tensors[_REQUEST] = np.frombuffer(request, np.uint8)
    return save(tensors, metadata={"partlens": json.dumps(plain)})


def _plain(region: PreparedRegion) -> list[object]:
    # Format 1 has no third value.
    return [region.image, region.weight, *([True] if region.whole else [])]


def _format_of(query: StandingQuery) -> int:
    """The oldest format whose readers leave out no part of the query."""
    if _has_later_conditions(query.where):
        return 4
    if query.pauses.each or query.where.ids:
        return 3
    regions = [*query.search.regions, *(mark.place for mark in query.search.marks)]
    whole = any(region.whole for region in regions)
    return 2 if query.search.marks or query.where.exclude_media or whole else 1


def _has_later_conditions(where: Filter) -> bool:
    """Whether readers of format 3 would leave out a condition of a filter."""
    others = any(not isinstance(wanted, str) for wanted in where.attributes.values())
    return others or any(getattr(where, name) for name in NESTED)


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
        pauses=_pauses(plain.get("pauses", [])),
    )


def _pauses(plain: Any) -> Pauses:
    pauses, last = list[Pause](), 0.0
    for after, until in plain:
        pauses.append(Pause(int(after), None if until is None else int(until)))
        end = math.inf if until is None else int(until)
        if not last <= int(after) <= end:
            raise StandingQueryError(f"its pauses are out of order: {plain!r:.200}")
        last = end
    return Pauses(tuple(pauses))


def _stamp(status: os.stat_result) -> _Stamp:
    # The time alone may be equal for two changes within a few milliseconds.
    return status.st_mtime_ns, status.st_ino, status.st_size
