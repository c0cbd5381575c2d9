"""The client for asyncio. The blocking one is generated from it."""

from partlens.client.asynchronous.explaining import ExplainCalls
from partlens.client.asynchronous.galleries import GalleryCalls
from partlens.client.asynchronous.health import HealthCalls
from partlens.client.asynchronous.images import ImageCalls
from partlens.client.asynchronous.reporting import ReportCalls
from partlens.client.asynchronous.searching import SearchCalls
from partlens.client.asynchronous.standing import StandingQueryCalls
from partlens.client.asynchronous.uploading import UploadCalls


class AsyncClient(
    SearchCalls,
    ExplainCalls,
    ReportCalls,
    UploadCalls,
    ImageCalls,
    GalleryCalls,
    StandingQueryCalls,
    HealthCalls,
):
    """A partlens server, through typed methods, for asyncio.

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
