"""The sections of the configuration: every setting, its default and its help text."""

from partlens.runtime.config.sections.access import AccessSection
from partlens.runtime.config.sections.bridge import BridgeSection
from partlens.runtime.config.sections.ingest import IngestSection
from partlens.runtime.config.sections.limits import LimitsSection
from partlens.runtime.config.sections.observe import ObserveSection
from partlens.runtime.config.sections.redis import RedisSection
from partlens.runtime.config.sections.retention import RetentionSection
from partlens.runtime.config.sections.section import Section
from partlens.runtime.config.sections.server import GallerySettings, ServerSection
from partlens.runtime.config.sections.shards import ShardsSection
from partlens.runtime.config.sections.standing import StandingSection
from partlens.runtime.config.sections.values import Secret

__all__ = [
    "AccessSection",
    "BridgeSection",
    "GallerySettings",
    "IngestSection",
    "LimitsSection",
    "ObserveSection",
    "RedisSection",
    "RetentionSection",
    "Secret",
    "Section",
    "ServerSection",
    "ShardsSection",
    "StandingSection",
]
