"""scripts/check_site.py finds what is wrong with the documentation site."""

from pathlib import Path

import check_site
import pytest


def test_a_page_must_be_in_the_navigation_once() -> None:
    nav = [{"Start": [{"Home": "README.md"}, "a.md"]}, {"More": {"B": "a.md"}}, "gone.md"]
    names = list(check_site.listed(nav))
    assert names == ["README.md", "a.md", "a.md", "gone.md"]
    faults = check_site.navigation_faults({"README.md", "a.md", "deep/new.md"}, names)
    assert [fault.split(":")[0] for fault in faults] == [
        "docs/deep/new.md is not in the navigation",
        "zensical.toml names docs/gone.md",
        "zensical.toml names docs/a.md 2 times",
    ]
    assert not check_site.navigation_faults({"a.md"}, ["a.md"])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/index.html").write_text('<h1 id="top">x</h1><a href="..">home</a>')
    (tmp_path / "picture.webp").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    "html",
    [
        '<a href="deep/">x</a><a href="deep/#top">x</a><img src="picture.webp">',
        '<a href="#here" id="here">x</a><a href="https://example.org/#any">x</a>',
        '<a href="mailto:someone@example.org">x</a>',
    ],
)
def test_what_leads_somewhere_is_no_fault(site: Path, html: str) -> None:
    (site / "index.html").write_text(html)
    assert check_site.site_faults(site) == []


@pytest.mark.parametrize(
    "html, fault",
    [
        ('<a href="gone/">x</a>', "broken link gone/"),
        ('<a href="deep/#gone">x</a>', "broken link deep/#gone"),
        ('<a href="#gone">x</a>', "broken link #gone"),
        ('<a href="../outside.md">x</a>', "broken link ../outside.md"),
        ('<img src="gone.webp">', "broken link gone.webp"),
        ('<script src="https://example.org/a.js"></script>', "from another site"),
        ('<link rel="stylesheet" href="//example.org/a.css">', "from another site"),
    ],
)
def test_a_fault_is_found(site: Path, html: str, fault: str) -> None:
    (site / "index.html").write_text(html)
    (found,) = check_site.site_faults(site)
    assert fault in found


@pytest.mark.parametrize(
    "markdown, html",
    [
        ("- a\n- b\n", "<ul><li>a</li><li>b</li></ul>"),
        ("| a |\n| --- |\n| b |\n", "<table><tr><th>a</th></tr><tr><td>b</td></tr></table>"),
        ("# a\n", "<nav><ul><li>menu</li></ul></nav><article><h1>a</h1></article><ul></ul>"),
    ],
)
def test_a_page_that_reads_as_on_github_is_no_fault(markdown: str, html: str) -> None:
    assert check_site.reading_faults("a.md", markdown, html) == []


def test_code_in_a_list_that_the_site_takes_for_text_is_found() -> None:
    markdown = "- item\n\n      code\n"
    (fault,) = check_site.reading_faults("a.md", markdown, "<ul><li>item<p>code</p></li></ul>")
    assert "docs/a.md has 1 <pre> on GitHub but 0 on the site" in fault


def test_a_link_must_not_be_named_by_a_file() -> None:
    (fault,) = check_site.naming_faults("a.md", "[b.md](b.md#c), [c](b.md#c)")
    assert "docs/a.md has a link named b.md" in fault
