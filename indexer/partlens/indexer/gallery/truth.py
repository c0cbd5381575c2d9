"""The truth: one Lance dataset, and the version of it that is safe on disk."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import lance
import pyarrow as pa

from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import DamagedError
from partlens.indexer.gallery.durability import sync_new, write_atomically
from partlens.indexer.gallery.schema import schema

_DATASET = "truth.lance"
_COMMITTED = "committed.json"
# Small commits leave small fragments and a manifest each; every so often they are put together.
_TIDY_EVERY = 64


class Truth:
    """Rows of images that only ever change as a whole commit.

    Lance does not sync, so a commit counts from when its files are synced and committed.json
    names its version. What lies after that version was never acknowledged and is passed over.

    Args:
        folder: of the gallery.
        spec: of the model that it is bound to.

    Raises:
        DamagedError: the committed version cannot be opened.
    """

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        self._folder, self._spec = folder, spec
        self._synced: set[Path] = set()
        self._dataset = self._open(self.committed())

    @classmethod
    def create(cls, folder: Path, spec: ModelSpec) -> "Truth":
        """An empty one, on disk."""
        empty = schema(spec).empty_table()
        dataset = lance.write_dataset(empty, str(folder / _DATASET), enable_stable_row_ids=True)
        sync_new(folder / _DATASET, set())
        _write_committed(folder, dataset.version)
        return cls(folder, spec)

    @property
    def version(self) -> int:
        """The version that is read."""
        version: int = self._dataset.version
        return version

    def committed(self) -> int:
        """The newest version that is safe on disk."""
        try:
            plain = json.loads((self._folder / _COMMITTED).read_bytes())
            return int(plain["version"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedError(f"{_COMMITTED} cannot be read: {error}") from error

    def refresh(self) -> bool:
        """Go to the newest committed version; False if it is the one already read."""
        committed = self.committed()
        if committed == self.version:
            return False
        self._dataset = self._open(committed)
        return True

    def upsert(self, table: pa.Table) -> None:
        """Insert rows, or replace those of the same id; returns when they are on disk."""
        self._back_to_committed()
        merge = self._dataset.merge_insert("id").when_matched_update_all()
        merge.when_not_matched_insert_all().execute(table)
        self._commit()

    def delete(self, ids: Sequence[str]) -> None:
        """Delete the rows of these ids; returns when that is on disk."""
        self._back_to_committed()
        self._dataset.delete(_any_of(ids))
        self._commit()

    def read(self, columns: Sequence[str], ids: Sequence[str] | None = None) -> pa.Table:
        """Columns of all rows, or of those of the ids, in no particular order.

        Raises:
            DamagedError: the files of these rows cannot be read.
        """
        try:
            return self._dataset.to_table(
                columns=list(columns), filter=None if ids is None else _any_of(ids)
            )
        except Exception as error:  # Lance raises OSError, ValueError and its own panics
            raise DamagedError(
                f"rows of the gallery cannot be read, its files are damaged: {error}"
            ) from error

    def _open(self, version: int) -> lance.LanceDataset:
        try:
            return lance.dataset(str(self._folder / _DATASET), version=version)
        except Exception as error:  # Lance raises OSError, ValueError and its own panics
            raise DamagedError(
                f"version {version} of the gallery cannot be opened, its files are missing or"
                f" damaged: {error}"
            ) from error

    def _back_to_committed(self) -> None:
        """Make the committed version the newest, should an unfinished commit lie after it."""
        if self._dataset.latest_version != self.version:
            self._dataset.restore()  # type: ignore[no-untyped-call]

    def _commit(self) -> None:
        if self._dataset.version % _TIDY_EVERY == 0:
            self._dataset.optimize.compact_files()
        sync_new(self._folder / _DATASET, self._synced)
        _write_committed(self._folder, self._dataset.version)
        if self._dataset.version % _TIDY_EVERY == 0:
            # An hour is left to readers that still have an older version open.
            self._dataset.cleanup_old_versions(older_than=timedelta(hours=1))


def _write_committed(folder: Path, version: int) -> None:
    write_atomically(folder / _COMMITTED, json.dumps({"version": version}).encode())


def _any_of(ids: Sequence[str]) -> str:
    quoted = ", ".join("'" + id.replace("'", "''") + "'" for id in ids)
    return f"id IN ({quoted})"
