"""Rows that other processes write for the one that commits them: files beside the truth.

A file in the dataset's own folder would not do: Lance removes files there that no version needs,
and a commit syncs and records whatever it finds, half-written files of other processes included.
"""

import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from lance.file import LanceFileReader
from lance.fragment import FragmentMetadata, write_fragments

from partlens.indexer.errors import DamagedError
from partlens.indexer.gallery.completeness import not_adding_up
from partlens.indexer.gallery.durability import damage, refusals
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.schema import Packed, arrays, schema

STAGING = "staging"
_DATA = "data"
_CHUNK_ROWS = 256
"""Rows that are added up together."""


@dataclass(frozen=True)
class Staged:
    """Rows in files that no version of the truth names yet.

    Attributes:
        folder: with the files.
        fragments: Lance's description of each file, in JSON, in the order of the rows.
    """

    folder: Path
    fragments: Sequence[str]

    @property
    def files(self) -> list[Path]:
        """The files, which have the same names in the truth."""
        described = [json.loads(one) for one in self.fragments]
        return [self.folder / _DATA / file["path"] for one in described for file in one["files"]]

    def metadata(self) -> list[FragmentMetadata]:
        """What Lance needs to commit them."""
        return [FragmentMetadata.from_json(one) for one in self.fragments]

    def read(self, bound: GallerySpec, revision: int) -> Packed:
        """The rows, once it is known that the truth can hold them.

        Raises:
            DamagedError: the files cannot be read, or hold something else.
        """
        with damage("the rows that another process wrote cannot be read"):
            parts = [LanceFileReader(str(file)).read_all().to_table() for file in self.files]
            table = pa.concat_tables(parts)
        described = sum(json.loads(one)["physical_rows"] for one in self.fragments)
        whole = table.schema.equals(schema(bound)) and len(table) == described
        if not whole or set(table["revision"].to_pylist()) != {revision}:
            raise DamagedError(f"{self.folder} does not hold the rows that were written to it")
        for start in range(0, len(table), _CHUNK_ROWS):
            chunk = table.slice(start, _CHUNK_ROWS)
            for row in not_adding_up(chunk, bound)[:1]:
                id = chunk["id"][row].as_py()
                raise DamagedError(f"the embedding of image {id!r} is not the sum of its parts")
        attributes = [json.loads(text) for text in table["attributes"].to_pylist()]
        return Packed(table, attributes, *arrays(table, bound))


def stage(folder: Path, rows: Sequence[pa.Table], storage_version: str) -> Staged:
    """Write rows into a new folder below `folder`, for the process that commits them.

    Args:
        rows: of the truth's schema, at least one row.
        storage_version: of the truth's files.

    Raises:
        StorageError: the disk refused it.
    """
    place = folder / uuid.uuid4().hex
    with refusals(folder.name, "folder"):
        made = write_fragments(
            pa.concat_tables(rows),
            str(place),
            mode="create",
            data_storage_version=storage_version,
            enable_stable_row_ids=True,
        )
    return Staged(place, [json.dumps(one.to_json()) for one in made])


@contextmanager
def staging(gallery: Path) -> Iterator[Path]:
    """A folder for the rows that other processes write, removed when the context is left.

    Only for the holder of the writer's lock. What a killed one leaves, the next one removes.

    Args:
        gallery: absolute path.

    Raises:
        StorageError: the disk refused it.
    """
    folder = gallery / STAGING / uuid.uuid4().hex
    with refusals(gallery.name):
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
