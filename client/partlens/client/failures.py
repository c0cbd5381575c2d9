"""Explains why a connection failed, from what gRPC reports, and how to fix it."""

import re

from partlens.client.proxies import Proxy

_NOT_CONNECTED = re.compile(r"failed to connect to all addresses|errors resolving|HTTP proxy")

# What gRPC reports, and what it means. Options are named as commands spell them; they are
# Credentials(tls, ca, certificate, key) in Python, and ingest.tls and so on in settings.
_CAUSES = (
    (
        r"http1\.x server|Expected SETTINGS frame",
        "a web server (HTTP/1.1) answers there, not gRPC. Give the port of `partlens serve`, not"
        " the port of its metrics or of a web page",
    ),
    (
        r"WRONG_VERSION_NUMBER",
        "it does not speak TLS. Leave out --tls, --ca and --client-certificate if the server has"
        " none, or give the port that speaks TLS",
    ),
    (
        r"certificate has expired",
        "its certificate has expired. Renew it on the server, and check this machine's clock",
    ),
    (
        r"certificate is not yet valid",
        "its certificate is not valid yet. Check this machine's clock and the server's",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED",
        "its certificate is from an authority that is not trusted here. Give --ca the file of"
        " the authority that issued it",
    ),
    (
        r"Hostname Verification|not in peer certificate",
        "its certificate is for another name. Connect by a name that is in the certificate",
    ),
    (
        r"Failed to create security handshaker",
        "TLS cannot start: --ca, --client-certificate or --client-key is not usable PEM, or the key"
        " does not match the certificate",
    ),
)
_OF_HOST = (
    (r"lookup failed|errors resolving|DNS", "there is no host with this name. Check its spelling"),
    (
        r"Connection refused",
        "the host is up, but nothing listens on this port. Check the port, and that the server"
        " is running",
    ),
    (r"timed? ?out|unreachable|No route", "the host cannot be reached. Check network and firewall"),
)
_CLOSED = r"Socket closed|Connection reset|Broken pipe|GOAWAY|Handshake read failed"
_CLOSED_PLAIN = (
    "it closed the connection immediately. If the server uses TLS, give --tls, or --ca with the"
    " file of the authority of its certificate"
)
_CLOSED_TLS = (
    "it closed the connection immediately. If the server needs a client certificate, give one from"
    " its authority with --client-certificate, and its key with --client-key"
)


def explained(details: str, where: str, *, tls: bool, proxy: Proxy | None) -> str:
    """Explains gRPC's report about a call that got no response, in a sentence or two.

    Args:
        details: details of the status.
        where: the server's address, and the proxy if there is one.
        tls: whether the connection uses TLS.
        proxy: proxy on the route, if any.
    """
    if "http2 header with status" in details:
        return f"what answers at {where} is a web server or a gateway: {details}"
    if not _NOT_CONNECTED.search(details):
        return f"the connection to {where} was lost: {details}"
    return f"no partlens server answers at {where}: {_cause(details, tls, proxy)}"


def _cause(details: str, tls: bool, proxy: Proxy | None) -> str:
    if proxy is not None and (sentence := _of_proxy(details, proxy)):
        return sentence
    closed = (_CLOSED, _CLOSED_TLS if tls else _CLOSED_PLAIN)
    for pattern, sentence in (*_CAUSES, closed, *_OF_HOST):
        if re.search(pattern, details, re.IGNORECASE):
            return sentence
    return details


def _of_proxy(details: str, proxy: Proxy) -> str:
    """The proxy's failure; "" if it let the connection through."""
    if found := re.search(r"HTTP proxy returned response code (\d+)", details):
        if found[1] == "407":
            return (
                "the proxy needs a user and a password. Set"
                f" {proxy.variable}=http://USER:PASSWORD@{proxy.address}"
            )
        return f"the proxy refuses to connect there (status {found[1]})"
    for pattern, sentence in (
        (r"errors resolving|lookup failed", "there is no host with the proxy's name"),
        (r"Connection refused", "the proxy does not answer"),
        (r"timed? ?out|unreachable|No route", "the proxy cannot be reached"),
        (_CLOSED, "the connection was closed, by the proxy or behind it"),
    ):
        if re.search(pattern, details, re.IGNORECASE):
            return f"{sentence}. To connect without it, name the server in no_grpc_proxy"
    return ""
