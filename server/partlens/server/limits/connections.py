"""How many connections the server keeps."""

import resource

from partlens.runtime.config.sections import LimitsSection


def connections(limits: LimitsSection, fronts: int = 1) -> int:
    """Most connections of each front of the server, gRPC and HTTP.

    All fronts together get at most half of the file descriptors, since the gallery needs some too.

    Args:
        fronts: how many there are.
    """
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return limits.connections
    return min(limits.connections, max(allowed // 2 // fronts, 1))


def raise_open_files() -> None:
    """Allows this process as many file descriptors as the system lets it have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
