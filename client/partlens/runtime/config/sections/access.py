"""Settings of access control and the audit log."""

from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le
from pydantic import model_validator

from partlens.runtime.config.sections.section import Section


class AccessSection(Section):
    """Access control and the audit log. Beyond loopback, a server needs TLS and tokens."""

    tls_certificate: Path | None = None
    """PEM file of the server's certificate and its chain; reloaded when it changes"""
    tls_key: Path | None = None
    """PEM file of the certificate's private key, without a passphrase"""
    client_ca: Path | None = None
    """PEM file of the authority that must have issued clients' certificates (mutual TLS)"""
    tokens: Path | None = None
    """token file written by `partlens token`; without one, anyone who can connect has access"""
    audit_log: Path | None = None
    """audit log file; by default GALLERY.audit.jsonl, next to the gallery"""
    audit_log_bytes: Annotated[int, Ge(0), Le(2**40)] = 256 * 2**20
    """size from which the audit log continues in a new file; 0 for never"""

    @model_validator(mode="after")
    def _pair(self) -> "AccessSection":
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("give both tls_certificate and tls_key, or neither")
        if self.client_ca is not None and self.tls_certificate is None:
            raise ValueError("client_ca needs tls_certificate and tls_key")
        return self
