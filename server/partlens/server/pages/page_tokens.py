"""Page tokens: where the next page starts, and which request it belongs to.

A token is opaque but not secret, and the server does not trust it: forging one gains nothing,
because its start is checked against the same limits as any request.
"""

import base64
import binascii
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from partlens.common.gallery_names import is_gallery_name
from partlens.indexer.gallery.fan_out import Layouts
from partlens.server.errors import PageTokenError

_FORMAT = 3
_LONGEST = 4096


class SearchStart(NamedTuple):
    """Where a page of a search starts.

    Attributes:
        offset: offset of the page's first hit.
        version: gallery version of the first page.
        view: number of the first page's view; see KeptViews.
        layouts: how the shards answered the first page; empty without shards.
    """

    offset: int
    version: int
    view: int
    layouts: Layouts = ()


def search_token(start: SearchStart, question: str) -> str:
    """The token for the page that starts there.

    Args:
        question: digest of the request.
    """
    layouts = ",".join("-" if one is None else one for one in start.layouts)
    return _pack(["search", question, start.offset, start.version, start.view, layouts])


def search_start(token: str, question: str, depth: int) -> SearchStart:
    """Where the page of a token starts.

    Raises:
        PageTokenError: not a token for this question.
    """
    fields = _unpack(token, "search", (str, int, int, int, str))
    given_question, offset, version, view, layouts = fields
    start = SearchStart(offset, version, view, _layouts(layouts))
    if given_question != question:
        raise PageTokenError(
            "this page token belongs to another search; give the same regions, marks, filter,"
            " score, groups, images and exclude_identical as for the first page, or leave the token"
            " out"
        )
    if not 0 < start.offset < depth:
        raise PageTokenError(f"a page must start within the first {depth} hits")
    return start


def list_token(after: str, question: str) -> str:
    """The token for the page that starts after the image with this id.

    Not bound to the gallery's version: a listing by id can continue whatever is added meanwhile.

    Args:
        question: digest of the filter and the prefix.
    """
    return _pack(["list", question, after])


def list_after(token: str, question: str) -> str:
    """The id after which the page of a token starts; "" for the empty token.

    Raises:
        PageTokenError: not a token of a listing with this filter and prefix.
    """
    if not token:
        return ""
    given_question, after = _unpack(token, "list", (str, str))
    if given_question != question:
        raise PageTokenError(
            "this page token belongs to another listing; give the same filter and prefix as for the"
            " first page, or leave the token out"
        )
    return str(after)


def of_gallery(gallery: str, token: str) -> str:
    """A token with the gallery that the first page came from; "" for none.

    >>> split(of_gallery("people", "WzNd")), split("")
    (('people', 'WzNd'), ('', ''))
    """
    return f"{gallery}.{token}" if token else ""


def split(token: str) -> tuple[str, str]:
    """The gallery and the rest of a token; ("", "") for no token.

    Raises:
        PageTokenError: it names no gallery.
    """
    gallery, dot, rest = token.partition(".")
    if token and not (dot and rest and is_gallery_name(gallery)):
        raise _foreign()
    return gallery, rest


def _pack(fields: Sequence[str | int]) -> str:
    text = json.dumps([_FORMAT, *fields], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _unpack(token: str, kind: str, types: tuple[type, ...]) -> list[Any]:
    fields = _fields(token)
    if fields[:2] != [_FORMAT, kind] or [type(f) for f in fields[2:]] != list(types):
        raise _foreign()
    return fields[2:]


def _layouts(text: str) -> Layouts:
    """What search_token joins: names, nothing or "-", with commas between them."""
    if not re.fullmatch(r"((-|[0-9a-f]{8})?(,(-|[0-9a-f]{8})?)*)", text, re.ASCII):
        raise _foreign()
    return [None if one == "-" else one for one in text.split(",")] if text else ()


def _foreign() -> PageTokenError:
    return PageTokenError(
        "this is not a page token of this method; give the previous page's next_page_token"
        " unchanged, or leave it out for the first page"
    )


def _fields(token: str) -> list[Any]:
    if len(token) > _LONGEST:
        return []
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        fields = json.loads(text)
        json.dumps(fields, ensure_ascii=False).encode()  # refuses half a surrogate pair
    except (binascii.Error, ValueError, RecursionError):
        return []
    return fields if isinstance(fields, list) else []
