"""The galleries of a server, from loading to closing."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from partlens.explainer.scoring import warm
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.fan_out import Shards
from partlens.indexer.gallery.scrub_record import beside
from partlens.indexer.gallery.scrubbing import Scrubber
from partlens.runtime.config.settings import Settings
from partlens.runtime.errors import SettingsError
from partlens.runtime.tasks import Report
from partlens.server.engine.engine import Engine
from partlens.server.galleries.aliases import AliasFile
from partlens.server.galleries.directory import Directory
from partlens.server.galleries.models import Models
from partlens.server.galleries.served import ServedGallery
from partlens.server.galleries.threads import Threads
from partlens.server.observe.indexing import IndexingReport
from partlens.server.observe.metrics import Metrics
from partlens.server.observe.scrub_report import ScrubReport
from partlens.server.pages.kept_views import KeptViews
from partlens.server.sharing.peers import Peers
from partlens.server.standing.query import StandingQuery
from partlens.server.standing.standing import Standing

Makes = Mapping[str, Callable[[], Engine]]
"""Own name of a gallery -> creates its engine; called once, on a thread. The default is first."""
TellSound = Callable[[str, bool], None]
"""Called from any thread with the name of a gallery, and True if it has no known damage."""


class Host:
    """Loads galleries and their models, and gives each call the gallery that it names.

    Attributes:
        settings: settings of the server.
        metrics: metrics of the server.
        directory: the galleries by name.
        threads: threads and memory that all calls share.
        stopping: set when the server begins to stop; long calls then end early.
        indexing: progress of indexing a folder while the server runs.

    Args:
        default: name that calls without a gallery mean.
        aliases: aliases of the galleries; None for none.
        report: called with the name of a background task that fails, and why.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        default: str,
        aliases: AliasFile | None,
        tell_sound: TellSound,
        report: Report,
        indexing: IndexingReport,
    ) -> None:
        self.settings, self.metrics, self._tell_sound = settings, metrics, tell_sound
        self._report, self.indexing, self._aliases = report, indexing, aliases
        self.stopping = asyncio.Event()
        self.threads = Threads(settings.server, settings.limits)
        self.directory = Directory(default, aliases)
        self._kept = KeptViews()
        self._peers: Peers | None = None
        self._models: Models | None = None

    async def load(self, makes: Makes) -> None:
        """Creates engines on a thread, one by one; after this, calls about them are answered.

        Raises:
            SettingsError: an alias leads to a gallery that is not there.
            Exception: whatever a `make` raises; the galleries before it are served.
        """
        if self._models is None:
            if self.settings.redis.url:
                self._peers = Peers(self.settings.redis, self._refresh_soon, self._report)
            self._models = Models(self.settings.limits, self.metrics, self._peers)
        # Else the first search would wait for the kernel to load, or even to be compiled.
        await asyncio.to_thread(warm)
        engines = {name: await self.threads.writing.run("", make) for name, make in makes.items()}
        self._require_targets({*engines, *self.directory.galleries})
        share = 1 / (len(engines) + len(self.directory.galleries))
        for name, engine in engines.items():
            engine.share_views(self._kept)
            self.directory.add(self._served(name, engine, self._models, share))

    def shards(self) -> dict[str, Shards]:
        """The shards by the name of their gallery, of galleries that have some."""
        served = self.directory.galleries.values()
        return {one.name: one.whole.shards for one in served if one.whole.shards is not None}

    def ended_threads(self) -> list[str]:
        """Names of the threads that should still run."""
        served = self.directory.galleries.values()
        return [name for gallery in served for name in gallery.ended_threads()]

    def begin_to_stop(self) -> None:
        """Ends long calls early."""
        self.stopping.set()
        for gallery in self.directory.galleries.values():
            gallery.standing.board.end()

    async def close(self) -> None:
        """Waits for running work, drops queued work, and closes the galleries."""
        served = list(self.directory.galleries.values())
        for gallery in served:
            await gallery.standing.close()
        if self._models is not None:
            self._models.close()
        self.threads.close()
        for gallery in served:
            await asyncio.to_thread(gallery.close)
        if self._peers is not None:
            await self._peers.close()

    def _served(self, name: str, engine: Engine, models: Models, share: float) -> ServedGallery:
        if (shards := engine.whole.shards) is not None:
            shards.report_to(self.metrics.shards.of(name, shards.count))
        standing = Standing(
            name,
            engine.whole,
            self.settings,
            self.metrics.standing.of(name),
            self._report,
            others=partial(self._standing_queries, name),
        )
        return ServedGallery(
            name,
            engine,
            self.threads,
            models.of(engine.model),
            standing,
            self.settings,
            self.metrics,
            self.stopping,
            self._peers,
            self._scrubber(name, engine.whole, share),
        )

    def _standing_queries(self, but: str) -> list[StandingQuery]:
        """Standing queries of all galleries but one."""
        served = self.directory.galleries.values()
        return [one for g in served if g.name != but for one in g.standing.read().values()]

    def _scrubber(self, name: str, gallery: Gallery, share: float) -> Scrubber | None:
        """What looks for damage of a gallery, with its share of the rate of all."""
        figures, server = self.metrics.gallery.of(name), self.settings.server
        report = ScrubReport(figures, partial(self._tell_sound, name))
        if not server.scrub_bytes_per_second:
            for finding in gallery.damage:
                report.found(finding)
            return None
        record = beside(gallery.path.resolve())
        rate = server.scrub_bytes_per_second * share
        scrubber = Scrubber(gallery, record, report, rate, server.scrub_every_seconds)
        report.earlier(scrubber.last)
        return scrubber

    def _require_targets(self, served: set[str]) -> None:
        if self._aliases is None:
            return
        for name, alias in self._aliases.read().items():
            if alias.gallery not in served:
                raise SettingsError(
                    f"the alias {name} leads to the gallery {alias.gallery}, which is not in"
                    f" server.galleries ({', '.join(sorted(served))}); add it there, or remove the"
                    f" alias from {self._aliases.path}"
                )

    def _refresh_soon(self) -> None:
        for gallery in self.directory.galleries.values():
            gallery.refresh_soon()
