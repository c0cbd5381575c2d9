"""Where a server may listen: open on loopback, locked anywhere else."""

from ipaddress import ip_address

from partlens.server.config.sections import AccessSection
from partlens.server.errors import ListenError


def is_loopback(listen: str) -> bool:
    """Whether an address "host:port" reaches this machine only.

    >>> [is_loopback(a) for a in ("127.0.0.1:1", "[::1]:1", "localhost:1", "0.0.0.0:1", "host:1")]
    [True, True, True, False, False]
    """
    host = listen.rpartition(":")[0].removeprefix("[").removesuffix("]")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False  # a name that may mean anything


def require_locked(listen: str, access: AccessSection, *, insecure: bool) -> None:
    """Refuses to open the server to other machines without TLS and tokens.

    Args:
        insecure: the operator wants just that.

    Raises:
        ListenError: not a loopback address, and something is missing.
    """
    missing = [
        text
        for given, text in (
            (access.tls_certificate, "TLS (access.tls_certificate and access.tls_key)"),
            (access.tokens, "tokens (access.tokens; see `partlens token create`)"),
        )
        if given is None
    ]
    if missing and not insecure and not is_loopback(listen):
        raise ListenError(
            f"{listen} can be reached from other machines, and the server has no"
            f" {' and no '.join(missing)}. Give them, listen on 127.0.0.1, or say --insecure to"
            " serve whoever comes"
        )
