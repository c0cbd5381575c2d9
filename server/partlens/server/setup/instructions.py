"""What to do next with a server's folder, in words."""

from collections.abc import Mapping

from partlens.server.setup import certificates
from partlens.server.setup.folder import ServerFolder


def facts(folder: ServerFolder) -> Mapping[str, str | None]:
    """What a program needs of the folder, by name; raises as after_setup does."""
    return {
        "folder": str(folder.path),
        "settings": str(folder.settings),
        "tokens": str(folder.tokens),
        "authority": str(folder.tls.authority),
        "fingerprint": certificates.fingerprint(folder.tls.authority),
        "page": folder.page(),
    }


def after_setup(folder: ServerFolder, run: str) -> str:
    """How to start the server and let clients in.

    Args:
        run: command that runs `partlens`.

    Raises:
        AddressError: the settings name an address that cannot be listened on.
        CertificateError: the authority's certificate cannot be read.
    """
    text = (
        f"{folder.path} is ready. The server refuses callers without a token; to create one for a"
        f" person:\n"
        f"  {run} token create NAME --scope search --tokens {folder.tokens}\n"
        f"Give clients the certificate authority, {folder.tls.authority} (--ca).\n"
        f"Compare its SHA-256 fingerprint there: {certificates.fingerprint(folder.tls.authority)}\n"
        f"To start the server: {run} serve --config {folder.settings}"
    )
    if (page := folder.page()) is not None:
        text += (
            f"\nThe page is at {page} and asks for a token. A browser warns of the certificate"
            " until you import the same authority in the browser's certificate settings, under"
            " Authorities."
        )
    return text


def after_renewal(folder: ServerFolder, *, authority: bool) -> str:
    """What else a renewal needs.

    Args:
        authority: whether the authority is new too.

    Raises:
        CertificateError: the authority's certificate cannot be read.
    """
    text = "A running server uses it for new connections within a second, and logs that."
    if authority:
        text += (
            f"\nGive clients the new authority, {folder.tls.authority} (--ca): with the old one"
            " they can no longer connect.\nIts SHA-256 fingerprint:"
            f" {certificates.fingerprint(folder.tls.authority)}"
        )
    return text
