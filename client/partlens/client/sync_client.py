# Written by scripts/write_sync_client.py from async_client.py; change that file instead.
"""The blocking client."""

from partlens.client.blocking.explaining import ExplainCalls
from partlens.client.blocking.galleries import GalleryCalls
from partlens.client.blocking.health import HealthCalls
from partlens.client.blocking.images import ImageCalls
from partlens.client.blocking.reporting import ReportCalls
from partlens.client.blocking.searching import SearchCalls
from partlens.client.blocking.standing import StandingQueryCalls
from partlens.client.blocking.uploading import UploadCalls


class Client(
    SearchCalls,
    ExplainCalls,
    ReportCalls,
    UploadCalls,
    ImageCalls,
    GalleryCalls,
    StandingQueryCalls,
    HealthCalls,
):
    """A partlens server, through typed methods.

    Every method raises a ClientError (see errors.py) if the server refuses the call, cannot be
    reached, or does not answer in time. A read that is lost on the way is repeated up to three
    times; a write is sent once (see retries.py).

    `gallery` of a method names the gallery of this call: None for that of the client, "" for the
    server's default. A name that the server does not know raises a NotFoundError.

    Args:
        target: "host:port".
        deadline: default time limit of a call, in seconds.
        credentials: token and certificates; none for a server without them.
        gallery: name of the gallery of every call that names none; "" for the server's default.

    Raises:
        AddressError: target is not an address, or the environment names an unusable proxy.
        CredentialsError: the credentials are unusable, or must not be sent unencrypted.
    """
