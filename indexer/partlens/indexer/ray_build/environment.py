"""What Ray reads from the environment as it is imported."""

import os
import secrets

_ALWAYS = {
    # Otherwise Ray sends usage data to its maker.
    "RAY_USAGE_STATS_ENABLED": "0",
    # Its C++ parts write to standard error, and what matters is raised too.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


def prepare(*, own_cluster: bool) -> None:
    """Set the environment of this process and its children; call it before Ray is imported.

    Args:
        own_cluster: a cluster will be started on this machine. It gets a token of its own: Ray
            listens on all interfaces, and runs what it is sent.
    """
    for name, value in _ALWAYS.items():
        os.environ.setdefault(name, value)
    if own_cluster:
        os.environ.pop("RAY_AUTH_TOKEN_PATH", None)
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
