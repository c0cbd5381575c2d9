"""Databases with several vectors per row, set up for late interaction as they document it.

All rank by MaxSim of the region's cells (see searching.Torch), which is what they offer. Each runs
in the process that creates it. Positions that contribute nothing are left out: they have no
direction.
"""

import math
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from partlens.indexer.bench.contenders import TOP, Peer
from partlens.indexer.bench.synthetic import Query, name

_BATCH = 500
_FIRST = 1000
"""Number of images that a first stage passes to the second."""
_NEAREST, _MOST_NEAREST = 50, 16384
"""Number of vectors to request, and the most that Milvus returns."""

Units = NDArray[np.float32]
"""Contributions scaled to length 1, [M, P, D], of images ordered by number."""


class LanceDb:
    """An IVF_PQ index over all vectors; the rows that it finds are scored by all their vectors.

    As in docs.lancedb.com/search/multivector-search: cosine, one index over the column.
    """

    def __init__(self, folder: Path, units: Units) -> None:
        lancedb: Any = import_module("lancedb")
        index_kinds: Any = import_module("lancedb.index")
        count, _, dimensions = units.shape
        something = units.any(2)
        flat = pa.array(units[something].reshape(-1))
        flat = pa.FixedSizeListArray.from_arrays(flat, dimensions)
        ends = pa.array(np.concatenate([[0], something.sum(1).cumsum()]).astype(np.int32))
        table = {
            "id": [name(i) for i in range(count)],
            "vector": pa.ListArray.from_arrays(ends, flat),
        }
        self._table: Any = lancedb.connect(folder).create_table("images", pa.table(table))
        partitions = max(1, round(math.sqrt(ends[-1].as_py())))
        index = index_kinds.IvfPq(distance_type="cosine", num_partitions=partitions)
        self._table.create_index("vector", config=index)
        self._partitions, self._probes = partitions, max(20, partitions // 10)
        self._factor = 10

    @property
    def setting(self) -> str:
        """Partitions probed, at first a tenth of all, and the refine factor (rows re-ranked)."""
        return f"{self._probes} of {self._partitions} partitions, refine factor {self._factor}"

    def harder(self) -> bool:
        """Double the partitions and the rows."""
        if self._probes >= self._partitions:
            return False
        self._probes, self._factor = min(2 * self._probes, self._partitions), 2 * self._factor
        return True

    def search(self, query: Query) -> Sequence[str]:
        """Rows found in the partitions, re-ranked by full vectors."""
        asked = self._table.search(query.cells).nprobes(self._probes)
        asked = asked.refine_factor(self._factor).limit(TOP)
        return [row["id"] for row in asked.select(["id", "_distance"]).to_list()]


class QdrantEdge:
    """An HNSW graph over dense vectors of whole images finds rows; multivectors re-rank them.

    As in Qdrant's documentation on multivectors: HNSW is off (m = 0) for the multivectors.
    """

    def __init__(self, folder: Path, units: Units) -> None:
        edge: Any = import_module("qdrant_edge")
        self._edge = edge
        dimensions = units.shape[2]
        many = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
        none = edge.HnswIndexConfig(m=0, ef_construct=16, full_scan_threshold=10)
        vectors = {
            "image": edge.EdgeVectorParams(size=dimensions, distance=edge.Distance.Cosine),
            "positions": edge.EdgeVectorParams(
                size=dimensions,
                distance=edge.Distance.Cosine,
                multivector_config=many,
                hnsw_config=none,
            ),
        }
        self._shard = edge.EdgeShard.create(str(folder), edge.EdgeConfig(vectors=vectors))
        for start in range(0, len(units), _BATCH):
            points = [
                edge.Point(
                    start + i,
                    {"image": one.sum(0).tolist(), "positions": one[one.any(1)].tolist()},
                    {},
                )
                for i, one in enumerate(units[start : start + _BATCH])
            ]
            self._shard.update(edge.UpdateOperation.upsert_points(points))
        self._shard.optimize()
        self._count, self._first = len(units), _FIRST

    @property
    def setting(self) -> str:
        """Number of images from the first stage."""
        return f"{self._first} images re-ranked"

    def harder(self) -> bool:
        """Double the number."""
        if self._first >= self._count:
            return False
        self._first = min(2 * self._first, self._count)
        return True

    def search(self, query: Query) -> Sequence[str]:
        """The nearest images to the sum of the cells, ranked by MaxSim."""
        edge = self._edge
        nearest = edge.Query.Nearest(query.cells.sum(0).tolist(), using="image")
        asked = edge.QueryRequest(
            TOP,
            query=edge.Query.Nearest(query.cells.tolist(), using="positions"),
            prefetches=[edge.Prefetch(self._first, query=nearest)],
            with_payload=False,
        )
        return [name(int(point.id)) for point in self._shard.query(asked)]


class MilvusLite:
    """A row per vector, with its image's number; images found by any vector are ranked by MaxSim.

    As in Milvus's guide to ColPali; Milvus Lite has no arrays of vectors.
    """

    def __init__(self, folder: Path, units: Units) -> None:
        pymilvus: Any = import_module("pymilvus")
        of = pymilvus.DataType
        count, _, dimensions = units.shape
        self._units = units
        self._client = pymilvus.MilvusClient(str(folder / "milvus.db"))
        schema = self._client.create_schema(auto_id=True)
        schema.add_field("key", of.INT64, is_primary=True)
        schema.add_field("image", of.INT64)
        schema.add_field("vector", of.FLOAT_VECTOR, dim=dimensions)
        index = self._client.prepare_index_params()
        index.add_index("vector", index_type="AUTOINDEX", metric_type="IP")
        self._client.create_collection("vectors", schema=schema, index_params=index)
        for start in range(0, count, _BATCH):
            rows = [
                {"image": start + i, "vector": vector.tolist()}
                for i, one in enumerate(units[start : start + _BATCH])
                for vector in one[one.any(1)]
            ]
            self._client.insert("vectors", rows)
        self._client.load_collection("vectors")
        self._nearest = _NEAREST

    @property
    def setting(self) -> str:
        """Number of vectors to request for each cell of the region."""
        return f"{self._nearest} vectors per cell"

    def harder(self) -> bool:
        """Double the number."""
        self._nearest *= 2
        return self._nearest <= _MOST_NEAREST

    def search(self, query: Query) -> Sequence[str]:
        """Images found, re-ranked here as in the guide."""
        found = self._client.search(
            "vectors", query.cells.tolist(), limit=self._nearest, output_fields=["image"]
        )
        images = sorted({hit["entity"]["image"] for hits in found for hit in hits})
        scores = (self._units[images] @ query.cells.T).max(1).sum(1)
        return [name(images[i]) for i in np.argsort(-scores, kind="stable")[:TOP]]


PEERS: dict[str, tuple[tuple[str, ...], Callable[[Path, Units], Peer]]] = {
    "lancedb": (("lancedb",), LanceDb),
    "qdrant_edge": (("qdrant_edge",), QdrantEdge),
    "milvus_lite": (("pymilvus", "milvus_lite"), MilvusLite),
}
"""Name -> required modules, and the contender."""


def installed() -> list[str]:
    """Names of the installed databases; `pip install --group bench` installs them."""
    return [peer for peer, (modules, _) in PEERS.items() if all(map(find_spec, modules))]
