"""Who may do what on the page: tokens of every scope, wrong, revoked and confined ones, and a
server that is still loading."""

from browsing import OpenPage
from locked_page import Locked, sign_in
from playwright.sync_api import Page, expect

UNAUTHORISED = "401"


def test_a_wrong_token_is_refused_and_a_right_one_leads_to_the_address(
    open_page: OpenPage, locked: Locked
) -> None:
    token = locked.create("right", "--scope", "search")
    page = open_page("#/image/1-0000-a0", url=locked.page.url, expect=UNAUTHORISED)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert not page.get_by_role("navigation").get_by_role("link").all()
    sign_in(page, "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    sign_in(page, token)
    expect(page.get_by_role("heading", name="1-0000-a0")).to_be_visible()
    assert token not in page.url
    assert page.context.cookies() == []
    assert token not in page.evaluate("JSON.stringify(localStorage)")


def test_a_token_for_searching_is_offered_nothing_else(open_page: OpenPage, locked: Locked) -> None:
    page = signed_in(open_page, locked, "searcher", "--scope", "search")
    assert views(page) == ["Search", "Explain", "Watch", "Gallery"]
    page.get_by_role("link", name="Gallery").click()
    expect(page.get_by_role("link", name="1-0000-a0")).to_be_visible()
    expect(page.get_by_role("button", name="Add pictures")).to_be_hidden()
    expect(page.get_by_role("button", name="Delete…")).to_be_hidden()
    expect(page.get_by_role("checkbox")).to_have_count(0)
    page.get_by_role("link", name="1-0000-a0").click()
    expect(page.get_by_role("link", name="Search with this")).to_be_visible()
    expect(page.get_by_role("button", name="Delete…")).to_be_hidden()


def test_a_token_for_adding_may_only_add(open_page: OpenPage, locked: Locked) -> None:
    page = signed_in(open_page, locked, "adder", "--scope", "ingest")
    expect(page.get_by_role("button", name="Add pictures")).to_be_visible()
    assert views(page) == ["Gallery"]
    page.goto(f"{locked.page.url}/#/watch")
    expect(page.get_by_text("“Watch” needs a token with the scope “search”.")).to_be_visible()
    expect(page.get_by_text("Yours has only “ingest”.")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Gallery").click()
    expect(page.get_by_role("heading", name="Add pictures")).to_be_visible()


def test_a_confined_token_sees_its_camera_and_adds_to_it(
    open_page: OpenPage, locked: Locked
) -> None:
    options = ("--scope", "search", "--scope", "ingest", "--camera", "a")
    page = signed_in(open_page, locked, "confined", *options)
    page.get_by_role("link", name="Gallery").click()
    expect(page.get_by_role("list", name="Images").get_by_role("listitem")).to_have_count(30)
    page.locator("input[type=file]").set_input_files(locked.page.picture())
    camera = page.get_by_role("dialog").get_by_label("Camera")
    assert camera.locator("option").all_inner_texts() == ["a"]
    page.keyboard.press("Escape")
    page.goto(f"{locked.page.url}/#/image/1-0000-b1")
    expect(page.get_by_role("heading", name="This image is not in the gallery")).to_be_visible()


def test_a_token_that_is_revoked_leads_to_signing_in_and_back(
    open_page: OpenPage, locked: Locked
) -> None:
    page = open_page("", url=locked.page.url, expect=UNAUTHORISED)
    token = locked.create("revoked", "--scope", "search")
    sign_in(page, token)
    expect(page.get_by_role("link", name="Gallery")).to_be_visible()
    page.goto(f"{locked.page.url}/#/gallery?camera=a")
    expect(page.get_by_role("link", name="1-0000-a0")).to_be_visible()
    locked.revoke(token)
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(page, locked.create("next", "--scope", "search"))
    expect(page.get_by_role("link", name="1-0000-a0")).to_be_visible()
    assert page.url.endswith("#/gallery?camera=a")


def test_signing_out_forgets_everything(open_page: OpenPage, locked: Locked) -> None:
    page = signed_in(open_page, locked, "leaver", "--scope", "search")
    page.goto(f"{locked.page.url}/#/gallery")
    picture = page.get_by_role("list", name="Images").locator("img").first.get_attribute("src")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    gone = "url => fetch(url).then(() => false, () => true)"
    assert page.evaluate(gone, picture)


def signed_in(open_page: OpenPage, locked: Locked, name: str, *options: str) -> Page:
    """A page that has signed in with a new token."""
    page = open_page("", url=locked.page.url, expect="401|404|fetch|blob:")
    sign_in(page, locked.create(name, *options))
    expect(page.get_by_role("button", name=f"Sign out: {name}")).to_be_visible()
    return page


def views(page: Page) -> list[str]:
    """The views that the navigation lists."""
    return page.get_by_role("navigation", name="Views").get_by_role("link").all_inner_texts()
