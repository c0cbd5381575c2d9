"""Every method of every partlens service."""

from partlens.server.calls.method import Method
from partlens.server.handlers import gallery, part_search, report, standing
from partlens.server.host import Host

SERVICES = tuple(
    service.full_name
    for service in (part_search.SERVICE, gallery.SERVICE, standing.SERVICE, report.SERVICE)
)
"""Full names, as health and reflection know them."""


def methods(host: Host) -> dict[str, Method]:
    """Path -> method, answered by a host."""
    return {
        **part_search.PartSearchHandlers(host).methods,
        **gallery.GalleryHandlers(host).methods,
        **standing.StandingQueryHandlers(host).methods,
        **report.ReportHandlers(host).methods,
    }
