"""Where a live stream is, and what of that may be shown."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, urlsplit

from partlens.indexer.errors import SourceError

SCHEME = "rtsp://"
_FORM = f"{SCHEME}[USER[:PASSWORD]@]HOST[:PORT]/PATH"


@dataclass(frozen=True)
class StreamAddress:
    """Where a live stream is.

    Attributes:
        url: with all that is secret of it.
        shown: without what may be secret: user, password, query, and parts of the path with a "=",
            in which some cameras take a password.
    """

    url: str = field(repr=False)
    shown: str


def read_address(text: str, password: str = "") -> StreamAddress:
    """The address that a text gives; no error quotes the text.

    Args:
        password: of the user that the text names; "" if the text has it, or there is none.

    Raises:
        SourceError: it is none, or there are two passwords.

    >>> read_address("rtsp://viewer:secret@gate:8554/user=a&password=b/live?token=c").shown
    'rtsp://gate:8554/live'
    """
    parts = _split(text)
    if parts is None or not text.lower().startswith(SCHEME) or not text.isprintable():
        raise SourceError(f"the address of the stream is not of the form {_FORM}")
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise SourceError(
            "the address of the stream has an @ behind its host; write / ? # @ in a password as"
            " %2F %3F %23 %40"
        )
    if password:
        if not parts.username or parts.password is not None:
            raise SourceError(
                f"with a password apart, the address of the stream is {SCHEME}USER@HOST[:PORT]/PATH"
            )
        place = parts.netloc.rpartition("@")[2]
        user = f"{parts.username}:{quote(password, safe='')}"
        parts = parts._replace(netloc=f"{user}@{place}")
    path = "/".join(part for part in parts.path.split("/") if "=" not in part)
    shown = f"{SCHEME}{parts.netloc.rpartition('@')[2]}{path}"
    return StreamAddress(parts.geturl(), shown)


def _split(text: str) -> SplitResult | None:
    """None where it is no address, or one without a host."""
    try:
        parts = urlsplit(text)
        # An error of the port, which is read late, quotes it.
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None
