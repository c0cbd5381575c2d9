"""The threat model names the settings, bounds, shares and scopes that the code has."""

import re
from pathlib import Path

import pytest

from partlens.common import metadata
from partlens.common.confined import GIB
from partlens.common.pictures import DEFAULT_LIMITS
from partlens.explainer import trial
from partlens.indexer.sources import manifest
from partlens.runtime import metrics_port
from partlens.runtime.config.sections import LimitsSection
from partlens.runtime.config.table import rows, sections
from partlens.server.caller.scopes import NEEDED, SCOPES
from partlens.server.http import front, guard, json_messages
from partlens.server.limits.holders import share_of
from partlens.server.pages import kept_views
from partlens.server.transport.options import options

ROOT = Path(__file__).parents[1]
PAGES = [
    page for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")) if page.name != "CHANGELOG.md"
]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
DEFAULTS = {f"{row.section}.{row.key}": row.default for row in rows()}
BOUNDS = {
    name: (default.replace(",", ""), token.replace(",", "").strip(), network.strip())
    for name, default, token, network in re.findall(
        r"^\| `(\w+\.\w+)` \| ([\d.,]+) \| ([^|]*) ?\| ([^|]*) ?\|", PAGE, re.MULTILINE
    )
}
LIMITS = LimitsSection()
TOKEN_SHARES = ("limits.concurrent_calls", "limits.upload_streams", "limits.watch_streams",
                "limits.upload_bytes", "standing.queries")  # fmt: skip
NETWORK_SHARES = ("limits.concurrent_calls", "limits.upload_streams", "limits.watch_streams",
                  "limits.open_calls")  # fmt: skip
THREADS = ("server.workers", "server.read_workers", "server.decoding_workers")


def wrong_bounds(bounds: dict[str, tuple[str, str, str]]) -> list[str]:
    """Names of settings that are unknown, or have another default than a table says."""
    return [
        name
        for name, (default, _, _) in bounds.items()
        if name not in DEFAULTS or float(DEFAULTS[name]) != float(default)
    ]


def test_every_limit_is_in_the_table_with_its_default() -> None:
    assert {name for name in DEFAULTS if name.startswith("limits.")} <= BOUNDS.keys()
    assert not wrong_bounds(BOUNDS)


def test_a_renamed_setting_and_a_changed_default_are_found() -> None:
    changed = {"limits.regions": ("33", "", ""), "limits.renamed": ("32", "", "")}
    assert wrong_bounds(changed) == list(changed)


def test_the_shares_of_a_token_and_a_network_are_those_of_the_code() -> None:
    tokens = {name: str(share_of(int(DEFAULTS[name]), LIMITS.token_share)) for name in TOKEN_SHARES}
    tokens |= {name: str(max(1, int(DEFAULTS[name]) - 1)) for name in THREADS}
    networks = {
        name: str(share_of(int(DEFAULTS[name]), LIMITS.network_share)) for name in NETWORK_SHARES
    }
    shown = {name: token for name, (_, token, _) in BOUNDS.items() if name in tokens}
    assert shown == tokens
    assert {name: network for name, (_, _, network) in BOUNDS.items() if network} == networks


def test_every_scope_lists_its_methods() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| ((?:`[A-Z]\w+`(?:, )?)+) \|", PAGE, re.MULTILINE))
    assert table.keys() == set(SCOPES)
    for scope, methods in table.items():
        allowed = {path.rpartition("/")[2] for path, needed in NEEDED.items() if scope in needed}
        assert set(re.findall(r"`(\w+)`", methods)) == allowed, scope


@pytest.mark.parametrize(
    "row",
    [
        f"| {metadata.MAX_BYTES} bytes and {metadata.MAX_ATTRIBUTES} attributes",
        f"| {DEFAULT_LIMITS.max_side:,} pixels |",
        f"| {kept_views.KEPT}, for {kept_views.SECONDS:g} seconds each |",
        f"| {metrics_port.CONNECTIONS}, for {metrics_port.SECONDS:g} seconds each |",
        f"| {guard.MOST_HEADER_BYTES} bytes |",
        f"| {json_messages.DEEPEST} |",
        f"| {json_messages.TOKENS_A_FIELD} times `limits.message_fields` |",
        f"| {front.JSON_THREADS} |",
        f"| {front.HANDSHAKE_SECONDS:g} seconds |",
        f"| {trial.SECONDS:g} seconds and 4 GiB",
        f"| {manifest.MAX_IMAGES:,} images |",
    ],
)
def test_fixed_bounds_are_those_of_the_code(row: str) -> None:
    assert row in PAGE


def test_the_worst_case_of_memory_follows_from_the_limits() -> None:
    message = dict(options(LIMITS))["grpc.max_receive_message_length"] / GIB
    streams = (LIMITS.concurrent_calls, LIMITS.upload_streams, LIMITS.watch_streams)
    tokenless = 2 * LIMITS.open_calls
    one_token = sum(share_of(most, LIMITS.token_share) for most in streams)
    calls = (sum(streams) + tokenless, one_token, tokenless)
    everyone, token, nobody = (round(count * message) for count in calls)
    assert (
        f"{everyone} GiB for all callers, {token} GiB for one token, and {nobody} GiB for callers"
        " without a token"
    ) in PAGE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    name = rf"((?:{'|'.join(sections())})\.[a-z_]+)"
    named = re.findall(rf"`{name}(?:=[^`]*)?`", text) + re.findall(rf"--set {name}=", text)
    assert set(named) <= DEFAULTS.keys()
