"""Settings of standing queries."""

from pathlib import Path

from partlens.runtime.config.sections.section import Section
from partlens.runtime.config.sections.values import Count, SecretAddress


class StandingSection(Section):
    """Standing queries, and where to send matches besides WatchMatches."""

    folder: Path | None = None
    """folder of the standing queries; by default GALLERY.standing, next to the gallery, and always
    there for named galleries"""
    keep_pictures: bool = False
    """keep the pictures of standing queries on disk, so that these can be carried over to another
    model (`partlens index reindex`); gallery images are found by their id"""
    queries: Count = 1000
    """most standing queries, counted over all callers"""
    webhook: SecretAddress | None = None
    """http:// or https:// address to POST every match to; set it on one server only"""
    webhook_secret_file: Path | None = None
    """file that holds the secret for signing webhook requests"""
    kept_matches: Count = 10_000
    """approximate number of matches kept in the Redis stream; the oldest are removed"""
