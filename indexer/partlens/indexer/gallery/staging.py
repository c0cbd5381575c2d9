"""Rows that other processes write for the one that commits them, in files next to the truth.

A file in the dataset's own folder would not do: Lance removes files there that no version needs,
and a commit syncs and records whatever it finds, half-written files of other processes included.
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pyarrow as pa
from lance.file import LanceFileReader
from lance.fragment import FragmentMetadata, write_fragments

from partlens.indexer.errors import DamagedError, GalleryError
from partlens.indexer.gallery.completeness import not_adding_up
from partlens.indexer.gallery.durability import damage, refusals
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.home.folder import DATASET
from partlens.indexer.gallery.home.home import Home
from partlens.indexer.gallery.schema import Packed, arrays, schema

STAGING = "staging"
_NAME = re.compile(r"\.?[0-9a-f]{32}")
_FILE_BYTES = 2**30
"""Of a file at most: a store copies an object of this size within the time of a request."""
_CHUNK_ROWS = 256
"""Rows that are added up together."""


@dataclass(frozen=True)
class Staged:
    """Rows in files that no version of the truth names yet.

    Attributes:
        folder: place with the files; see Home.
        fragments: Lance's description of each file, in JSON, in the order of the rows.
    """

    folder: str
    fragments: Sequence[str]

    @property
    def files(self) -> Mapping[str, str]:
        """Place of each file -> its place in the truth."""
        described = [json.loads(one) for one in self.fragments]
        names = [f"data/{file['path']}" for one in described for file in one["files"]]
        return {f"{self.folder}/{name}": f"{DATASET}/{name}" for name in names}

    def metadata(self) -> list[FragmentMetadata]:
        """What Lance needs to commit them."""
        return [FragmentMetadata.from_json(one) for one in self.fragments]

    def read(self, home: Home, bound: GallerySpec, revision: int) -> Packed:
        """The rows, once it is known that the truth can hold them.

        Raises:
            DamagedError: the files cannot be read, or hold something else.
            UnreachableError: the store cannot be reached.
        """
        options = dict(home.options) if home.options else None
        with damage("the rows that another process wrote cannot be read"):
            readers = [LanceFileReader(home.url(file), options) for file in self.files]
            parts = [reader.read_all().to_table() for reader in readers]
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


def stage(home: Home, folder: str, rows: Sequence[pa.Table], storage_version: str) -> Staged:
    """Write rows into a new folder below `folder`, for the process that commits them.

    Args:
        folder: a place, as staging gives it.
        rows: of the truth's schema, at least one row.
        storage_version: of the truth's files.

    Raises:
        StorageError: the disk or the store refused it.
    """
    place = f"{folder}/{uuid.uuid4().hex}"
    with refusals(place, "folder"):
        made = write_fragments(
            pa.concat_tables(rows),
            home.url(place),
            mode="create",
            max_bytes_per_file=_FILE_BYTES,
            data_storage_version=storage_version,
            storage_options=dict(home.options) if home.options else None,
            enable_stable_row_ids=True,
        )
    return Staged(place, [json.dumps(one.to_json()) for one in made])


@contextmanager
def staging(home: Home) -> Iterator[str]:
    """A place for the rows that other processes write, cleared when the context is left.

    Only for the holder of the writer's lock. What a killed one leaves, the next one removes.

    Raises:
        StorageError: the disk refused it.
    """
    folder = f"{STAGING}/{uuid.uuid4().hex}"
    with refusals(home.name):
        home.prepare(folder)
    try:
        yield folder
    finally:
        # What cannot be removed now, the next writer removes.
        with suppress(OSError, GalleryError):
            home.clear(folder)


def clear_staging(home: Home) -> None:
    """Remove the rows that no process will commit any more; the rest there is someone else's.

    Only for the process that has just become the writer.

    Raises:
        StorageError: the store cannot be reached.
    """
    for name in home.names(STAGING):
        if _NAME.fullmatch(name):
            home.clear(f"{STAGING}/{name}")
