"""Page tokens lead back to where they were made, and to nowhere else."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partlens.server import paging
from partlens.server.errors import PageTokenError, ServerError

DEPTH = 1000
QUESTION = paging.digest("whole", [1, 2])


@given(offset=st.integers(1, DEPTH - 1), version=st.integers(0, 2**63))
def test_a_search_token_gives_its_offset_back(offset: int, version: int) -> None:
    token = paging.search_token(offset, QUESTION, version)
    assert paging.search_start(token, QUESTION, DEPTH) == (offset, version)


@given(after=st.text(max_size=500))
def test_a_list_token_gives_its_id_back(after: str) -> None:
    assert paging.list_after(paging.list_token(after)) == after


def test_no_token_is_the_first_page() -> None:
    assert paging.list_after("") == ""


def test_a_token_of_another_question_is_refused() -> None:
    token = paging.search_token(20, paging.digest("part", [1, 2]), 3)
    with pytest.raises(PageTokenError, match="another search"):
        paging.search_start(token, QUESTION, DEPTH)


def forged(*fields: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "====",
        "ü",
        "A" * 100_000,
        forged(),
        forged(1, "search", QUESTION, 3, -1),
        forged(1, "search", QUESTION, 3, 0),
        forged(1, "search", QUESTION, 3, DEPTH),
        forged(1, "search", QUESTION, 3, 10**400),
        forged(1, "search", QUESTION, 3, 2.5),
        forged(1, "search", QUESTION, 3, True),
        forged(1, "search", QUESTION, "3", 20),
        forged(2, "search", QUESTION, 3, 20),
        paging.list_token("a"),
        base64.urlsafe_b64encode(b"[" * 3000).decode(),
    ],
)
def test_what_is_not_our_token_is_refused(token: str) -> None:
    with pytest.raises(PageTokenError):
        paging.search_start(token, QUESTION, DEPTH)


def test_a_forged_id_that_is_no_text_is_refused() -> None:
    with pytest.raises(PageTokenError):
        paging.list_after(forged(1, "list", "\ud800"))


@given(st.text() | st.binary().map(lambda b: base64.urlsafe_b64encode(b).decode()))
def test_any_text_is_a_token_or_a_clear_error(token: str) -> None:
    try:
        paging.search_start(token, QUESTION, DEPTH)
    except ServerError as error:
        assert "page" in str(error)
