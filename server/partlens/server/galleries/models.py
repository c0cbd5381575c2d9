"""What the galleries of one model share: its queue, and the features of query images."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from partlens.explainer.model import MetricModel
from partlens.runtime.config.sections import LimitsSection
from partlens.server.features.batcher import Batcher
from partlens.server.features.cache import KeptPictures, KeptQueries, PictureCache, QueryCache
from partlens.server.observe.metrics import Metrics
from partlens.server.sharing.peers import Peers


@dataclass(frozen=True, eq=False)
class SharedModel:
    """A model in use.

    Attributes:
        batcher: the queue in front of it.
        queries: features of query images.
        pictures: pictures of query images.
    """

    batcher: Batcher
    queries: QueryCache
    pictures: PictureCache


class Models:
    """The models of all galleries by digest, whose memory is bounded together.

    They take turns on one thread: passes of two models at once would need the memory of both.

    Args:
        peers: other servers that share query images; None for none.
    """

    def __init__(self, limits: LimitsSection, metrics: Metrics, peers: Peers | None) -> None:
        self._limits, self._metrics, self._peers = limits, metrics, peers
        self._queries = KeptQueries(limits.kept_queries, limits.kept_query_bytes)
        self._pictures = KeptPictures(limits.kept_picture_bytes)
        self._thread = ThreadPoolExecutor(1, "partlens-model")
        self._models: dict[str, SharedModel] = {}

    def of(self, model: MetricModel) -> SharedModel:
        """What the galleries of this model share."""
        spec = model.spec
        if spec.digest not in self._models:
            # One image at least, or its query id would be unknown in the next call.
            self._queries.require_room(4 * spec.dimensions * (spec.positions + 1))
            queries: QueryCache = self._queries.of(spec.digest)
            pictures: PictureCache = self._pictures.of(spec.digest)
            if self._peers is not None:
                queries = self._peers.share(queries, spec, self._metrics.queries)
                pictures = self._peers.share_pictures(pictures, spec)
            self._models[spec.digest] = SharedModel(self._batcher(model), queries, pictures)
        return self._models[spec.digest]

    def close(self) -> None:
        """Waits for the running pass."""
        self._thread.shutdown(cancel_futures=True)

    def _batcher(self, model: MetricModel) -> Batcher:
        limits = self._limits
        return Batcher(
            model.decompose_pixels,
            self._metrics.model,
            limits.pass_images,
            limits.pass_wait_ms / 1000,
            limits.waiting_images,
            self._thread,
            lambda: sum(one.batcher.waiting for one in self._models.values()),
        )
