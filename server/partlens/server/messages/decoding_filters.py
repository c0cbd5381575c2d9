"""Decodes filters and times of requests."""

from datetime import datetime

from google.protobuf.message import Message

from partlens.client import filter_decoding
from partlens.common.filters import Filter
from partlens.server.errors import RequestError
from partlens.v1 import image_pb2 as pb


def where(message: pb.Filter) -> Filter:
    """The filter of a request.

    Raises:
        RequestError: a condition is invalid, or filters are nested too deeply.
    """
    try:
        return filter_decoding.filter_of(message)
    except filter_decoding.ConditionError as error:
        raise RequestError(error.field, error.description) from error


def time(message: Message, name: str, field: str) -> datetime | None:
    """The time of a field; None if it is not set.

    Raises:
        RequestError: it is outside the years 1 to 9999.
    """
    try:
        return filter_decoding.time(message, name, field)
    except filter_decoding.ConditionError as error:
        raise RequestError(error.field, error.description) from error
