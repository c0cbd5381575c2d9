"""The canonical status codes, independent of the transport."""

from enum import IntEnum


class Code(IntEnum):
    """google.rpc.Code; gRPC sends the number, Connect the name.

    >>> Code.NOT_FOUND.camel, Code.OK.camel, Code.CANCELLED.camel
    ('NotFound', 'OK', 'Canceled')
    """

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    @property
    def snake(self) -> str:
        """The name as Connect sends it.

        >>> Code.NOT_FOUND.snake, Code.CANCELLED.snake
        ('not_found', 'canceled')
        """
        return "canceled" if self is Code.CANCELLED else self.name.lower()

    @property
    def camel(self) -> str:
        """The name as gRPC server metrics label it."""
        if self is Code.CANCELLED:
            return "Canceled"
        return self.name if self is Code.OK else self.name.title().replace("_", "")
