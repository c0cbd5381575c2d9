"""Makes floods of wrong tokens cheap."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter

from partlens.server.access.authentication import Authentication
from partlens.server.audit.tally import Tally
from partlens.server.calls.call import Call
from partlens.server.calls.code import Code
from partlens.server.errors import UnauthenticatedError
from partlens.server.limits.holders import network
from partlens.server.limits.rate import Buckets


class FailedLogins:
    """Refuses wrong tokens early when a network sends many: they are counted, not logged.

    Valid tokens of the same network are let in, so nobody can lock others out. The outermost layer.

    Args:
        buckets: failed logins that take the whole way, by network.
        counted: the others.
    """

    def __init__(
        self, authentication: Authentication, buckets: Buckets, tally: Tally, counted: Counter
    ) -> None:
        self._authentication, self._buckets = authentication, buckets
        self._tally, self._counted = tally, counted

    @contextmanager
    def around(self, call: Call) -> Iterator[None]:
        """Raises UnauthenticatedError early."""
        place = network(call.peer)
        if self._buckets.empty(place):
            self._require_valid(call)
        try:
            yield
        except UnauthenticatedError:
            self._buckets.take(place)
            raise

    def _require_valid(self, call: Call) -> None:
        try:
            self._authentication.caller_of(call)
        except UnauthenticatedError:
            # What is due a line of its own in the audit log takes the whole way to it.
            if self._tally.count_only(call, Code.UNAUTHENTICATED.name):
                self._counted.inc()
                raise
