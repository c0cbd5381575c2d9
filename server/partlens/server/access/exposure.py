"""Where a server may listen: beyond loopback, only with TLS and tokens."""

from partlens.client import address as addresses
from partlens.runtime.config.sections import AccessSection
from partlens.runtime.errors import ListenError


def require_locked(listen: str, access: AccessSection, *, insecure: bool) -> None:
    """Refuse to expose the server to other machines without TLS and tokens.

    Args:
        insecure: allow it anyway.

    Raises:
        ListenError: the address is not loopback, and TLS or tokens are missing.
    """
    missing = [
        text
        for given, text in (
            (access.tls_certificate, "TLS (access.tls_certificate and access.tls_key)"),
            (access.tokens, "tokens (access.tokens; see `partlens token create`)"),
        )
        if given is None
    ]
    if missing and not insecure and not addresses.parse(listen, listening=True).is_loopback:
        raise ListenError(
            f"{listen} can be reached from other machines, and the server has no"
            f" {' and no '.join(missing)}. Configure them, listen on 127.0.0.1, or give --insecure"
            " to serve anyone who can connect"
        )
