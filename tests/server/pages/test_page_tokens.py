"""Page tokens lead back to where they were made, and to nowhere else."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partlens.server.errors import PageTokenError, ServerError
from partlens.server.pages import page_tokens
from partlens.server.requests.digest import digest

DEPTH = 1000
QUESTION = digest("whole", [1, 2])


@given(offset=st.integers(1, DEPTH - 1), version=st.integers(0, 2**63), view=st.integers(0, 2**48))
def test_a_search_token_gives_its_start_back(offset: int, version: int, view: int) -> None:
    start = page_tokens.SearchStart(offset, version, view)
    token = page_tokens.search_token(start, QUESTION)
    assert page_tokens.search_start(token, QUESTION, DEPTH) == start


@given(after=st.text(max_size=500))
def test_a_list_token_gives_its_id_back(after: str) -> None:
    assert page_tokens.list_after(page_tokens.list_token(after, QUESTION), QUESTION) == after


def test_no_token_is_the_first_page() -> None:
    assert page_tokens.list_after("", QUESTION) == ""


def test_a_token_of_another_question_is_refused() -> None:
    token = page_tokens.search_token(page_tokens.SearchStart(20, 3, 4), digest("part", [1, 2]))
    with pytest.raises(PageTokenError, match="another search"):
        page_tokens.search_start(token, QUESTION, DEPTH)
    token = page_tokens.list_token("a", digest("other"))
    with pytest.raises(PageTokenError, match="another listing"):
        page_tokens.list_after(token, QUESTION)


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
        forged(2, "search", QUESTION, -1, 3, 4),
        forged(2, "search", QUESTION, 0, 3, 4),
        forged(2, "search", QUESTION, DEPTH, 3, 4),
        forged(2, "search", QUESTION, 10**400, 3, 4),
        forged(2, "search", QUESTION, 2.5, 3, 4),
        forged(2, "search", QUESTION, True, 3, 4),
        forged(2, "search", QUESTION, 20, "3", 4),
        forged(1, "search", QUESTION, 20, 3, 4),
        forged(2, "search", QUESTION, 20, 3),
        page_tokens.list_token("a", QUESTION),
        base64.urlsafe_b64encode(b"[" * 3000).decode(),
    ],
)
def test_what_is_not_our_token_is_refused(token: str) -> None:
    with pytest.raises(PageTokenError):
        page_tokens.search_start(token, QUESTION, DEPTH)


def test_a_forged_id_that_is_no_text_is_refused() -> None:
    with pytest.raises(PageTokenError):
        page_tokens.list_after(forged(2, "list", QUESTION, "\ud800"), QUESTION)


@given(st.text() | st.binary().map(lambda b: base64.urlsafe_b64encode(b).decode()))
def test_any_text_is_a_token_or_a_clear_error(token: str) -> None:
    try:
        page_tokens.search_start(token, QUESTION, DEPTH)
    except ServerError as error:
        assert "page" in str(error)
