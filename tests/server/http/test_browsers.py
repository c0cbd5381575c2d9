"""What a browser may do: no page of another site reaches the server, no file but the page's."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from tests.server.http.conftest import GET_GALLERY, Fronts, both

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.runtime.config.sections import LimitsSection
from partlens.runtime.errors import ListenError
from partlens.server.access.token_file import TokenFile
from partlens.server.calls.pipeline import Pipeline
from partlens.server.http.application import application
from partlens.server.http.hosts import hosts
from partlens.server.http.page import Page
from partlens.server.limits.arrivals import Arrivals
from partlens.server.observe.metrics import Metrics

INDEX, SCRIPT = b"<!doctype html><title>partlens</title>" + b" " * 500, b"const a = 1;\n" * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A built page, and things around it that nobody may get."""
    page = tmp_path / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_bytes(INDEX)
    (page / "assets" / "main-1f2e3d4c.js").write_bytes(SCRIPT)
    (page / "favicon.svg").write_bytes(b"<svg/>")
    (page / "notes.py").write_bytes(b"secret = 1")
    (tmp_path / "token.txt").write_bytes(b"secret")
    (page / "link.txt").symlink_to(tmp_path / "token.txt")
    (page / "linked").symlink_to(tmp_path)
    return page


@asynccontextmanager
async def browsing(page: Path, host: str = "localhost") -> AsyncIterator[httpx.AsyncClient]:
    """A client of a page without methods."""
    limits = LimitsSection()
    with ThreadPoolExecutor(1) as threads:
        app = application(
            Pipeline(()),
            {},
            limits,
            Arrivals(limits),
            threads,
            hosts=hosts("", locked=False, loopback=True),
            page=Page(page),
            trouble=lambda: None,
            metrics=Metrics().http,
        )
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            yield client


async def test_the_page_and_its_routes_are_served(folder: Path) -> None:
    async with browsing(folder) as client:
        for path in ("/", "/search/q-1", "/index.html", "/gallery?camera=a"):
            index = await client.get(path)
            assert (index.status_code, index.content) == (200, INDEX), path
            assert index.headers["content-type"] == "text/html; charset=utf-8"
            assert index.headers["cache-control"] == "no-cache"
        again = await client.get("/", headers={"If-None-Match": index.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        script = await client.get("/assets/main-1f2e3d4c.js")
        assert script.content == SCRIPT
        assert script.headers["content-encoding"] == "gzip"
        assert "immutable" in script.headers["cache-control"]
        plain = await client.get("/assets/main-1f2e3d4c.js", headers={"Accept-Encoding": "br"})
        assert "content-encoding" not in plain.headers and plain.content == SCRIPT
        assert (await client.head("/favicon.svg")).headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize(
    "path",
    [
        "/notes.py", "/link.txt", "/linked/token.txt", "/../token.txt", "/%2e%2e/token.txt",
        "/assets/../../token.txt", "/assets/..%2f..%2ftoken.txt", "//etc/passwd.txt",
        "/assets/main-1f2e3d4c.js/", "/assets/main-1f2e3d4c.js%00.html", "/.git/config",
        "/partlens.v1.GalleryService/GetImage",
    ],
)  # fmt: skip
async def test_nothing_but_the_files_of_the_page_is_served(folder: Path, path: str) -> None:
    async with browsing(folder) as client:
        response = await client.get(path)
        assert response.status_code == 404, response.text
        assert b"secret" not in response.content


async def test_a_page_that_is_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    async with browsing(tmp_path / "absent") as client:
        response = await client.get("/")
        assert response.status_code == 404 and "run scripts/setup" in response.text


async def test_every_response_binds_the_browser(fronts: Fronts, folder: Path) -> None:
    async with browsing(folder) as client:
        responses = [await client.get(path) for path in ("/", "/favicon.svg", "/no.txt")]
    responses += [
        await fronts.http.get("/health"),
        await fronts.json(GET_GALLERY, {}),
        await fronts.json("/none", {}),
        await fronts.json(GET_GALLERY, {}, Host="evil.example"),
        await fronts.http.put("/"),
    ]
    for response in responses:
        headers = response.headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers and "access-control-allow-origin" not in headers
        assert "strict-transport-security" not in headers
    assert responses[4].headers["cache-control"] == "no-store"


async def test_a_foreign_name_for_this_machine_is_refused(fronts: Fronts) -> None:
    port = fronts.port
    for good in (f"127.0.0.1:{port}", "localhost", f"[::1]:{port}", "a.localhost", "LOCALHOST."):
        assert (await fronts.json(GET_GALLERY, {}, Host=good)).status_code == 200, good
    for bad in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "192.0.2.1", ""):
        response = await fronts.json(GET_GALLERY, {}, Host=bad)
        assert response.status_code == 421, bad
        assert "server.http_hosts" in response.json()["message"]
        assert (await fronts.http.get("/", headers={"Host": bad})).status_code == 421


async def test_named_hosts_are_allowed(
    model: MetricModel, gallery: Gallery, tmp_path: Path
) -> None:
    server = {"http_hosts": "search.example 192.0.2.7"}
    async with both(model, gallery, server=server) as fronts:
        for host, status in (
            ("search.example:80", 200),
            ("Search.Example", 200),
            ("192.0.2.7", 200),
            ("localhost", 200),
            ("other.example", 421),
        ):
            assert (await fronts.json(GET_GALLERY, {}, Host=host)).status_code == status, host
    file = TokenFile(tmp_path / "tokens.json")
    file.path.write_text('{"tokens": []}')
    async with both(model, gallery, access={"tokens": file.path}, server=server) as fronts:
        assert (await fronts.json(GET_GALLERY, {}, Host="other.example")).status_code == 421


async def test_pages_of_other_sites_may_not_call(fronts: Fronts) -> None:
    own = f"http://127.0.0.1:{fronts.port}"
    for headers, status in (
        ({"Origin": own}, 200),
        ({"Origin": own, "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://[::1]:99999"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ):
        response = await fronts.json(GET_GALLERY, {}, **headers)
        assert response.status_code == status, headers
        assert "content-security-policy" in response.headers
        simple = await fronts.http.post(
            GET_GALLERY, content=b"{}", headers={"Content-Type": "text/plain", **headers}
        )
        assert simple.status_code == (403 if status == 403 else 415)
    preflight = await fronts.http.options(GET_GALLERY, headers={"Origin": "http://evil.example"})
    assert preflight.status_code == 403
    # A link from another site to the page works.
    linked = await fronts.http.get("/health", headers={"Sec-Fetch-Site": "cross-site"})
    assert linked.status_code == 200


async def test_http_beyond_loopback_needs_tls_and_tokens(
    model: MetricModel, gallery: Gallery
) -> None:
    with pytest.raises(ListenError, match=r"0\.0\.0\.0:0 can be reached from other machines"):
        async with both(model, gallery, server={"http_listen": "0.0.0.0:0"}):
            pass


async def test_a_taken_port_is_an_error_and_leaves_nothing_open(
    model: MetricModel, gallery: Gallery
) -> None:
    async with asyncio.timeout(20):
        other = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        taken = other.sockets[0].getsockname()[1]
        with pytest.raises(ListenError, match=rf"cannot serve HTTP on 127\.0\.0\.1:{taken}"):
            async with both(model, gallery, server={"http_listen": f"127.0.0.1:{taken}"}):
                pass
        other.close()


async def test_headers_of_a_proxy_are_not_believed(
    fronts: Fronts, caplog: pytest.LogCaptureFixture
) -> None:
    await fronts.json(GET_GALLERY, {}, **{"X-Forwarded-For": "192.0.2.9", "Forwarded": "for=9"})
    peers = [vars(one)["peer"] for one in caplog.records if "peer" in vars(one)]
    assert peers and all(re.fullmatch(r"ipv4:127\.0\.0\.1:\d+", peer) for peer in peers)


def test_compression_keeps_every_byte(folder: Path) -> None:
    file = Page(folder)._files["/assets/main-1f2e3d4c.js"]
    assert file.compressed and gzip.decompress(file.compressed) == SCRIPT
