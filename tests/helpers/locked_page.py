"""A server with a page and tokens."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from page_server import PageServer, page_server, run
from playwright.sync_api import Page


@dataclass(frozen=True)
class Locked:
    """A server with tokens.

    Attributes:
        tokens: file of its tokens.
    """

    page: PageServer
    tokens: Path

    def create(self, name: str, *options: str) -> str:
        """A new token."""
        printed = run("token", "create", name, "--tokens", self.tokens, *options)
        found = re.search(r"plt_\S+", printed)
        assert found, printed
        return found[0]

    def revoke(self, token: str) -> None:
        """End a token."""
        run("token", "revoke", token.split("_")[1], "--tokens", self.tokens)


@contextmanager
def locked_server(
    pictures: Path,
    gallery: Path,
    folder: Path,
    *more: str | Path,
    name: str,
    model: Path | None = None,
) -> Iterator[Locked]:
    """A server whose tokens are in a folder; other arguments as page_server."""
    tokens = folder / "tokens.toml"
    run("token", "create", "first", "--tokens", tokens, "--scope", "search")
    locked = ("--set", f"access.tokens={tokens}")
    with page_server(pictures, gallery, *locked, *more, name=name, model=model) as running:
        yield Locked(running, tokens)


def sign_in(page: Page, token: str) -> None:
    """Give a token."""
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
