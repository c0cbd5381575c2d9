"""Nothing that a command prints can command the terminal, or shows a secret."""

import ast
import signal
import unicodedata
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from partlens.cli.commands import Commands
from partlens.common import redaction
from partlens.common.redaction import redacted, redacted_url
from partlens.common.tables import Table, say_table
from partlens.common.terminal import complain, safe, say

ROOT = Path(__file__).parents[2]
PARTS = ("client", "common", "explainer", "indexer", "server")
# The last answers the process that started it, through pipes.
PRINTERS = {"terminal.py", "tables.py", "child.py"}
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=40)
# Letters that no asterisk, scheme or host of these tests has.
SECRET = st.text("XYZ0123456789_-", min_size=1, max_size=20)


def commands_nothing(text: str) -> bool:
    return not any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in text)


@given(ANY_TEXT)
def test_no_text_that_is_printed_commands_a_terminal(text: str) -> None:
    @click.command()
    def prints() -> None:
        say(text)
        say(text, err=True)
        complain(text)
        table = Table(text, "name")
        table.add_row(text, "[/]")
        table.add_column(text)
        say_table(table)

    result = CliRunner().invoke(prints, [])
    assert result.exit_code == 0, result.exception
    assert all(map(commands_nothing, result.output.split("\n")))


def test_a_table_does_not_style_what_it_shows() -> None:
    @click.command()
    def prints() -> None:
        table = Table("[b]head")
        table.add_row("[bold]\x1b]0;x\x07[/]")
        say_table(table)

    output = CliRunner().invoke(prints, []).output
    assert "[b]head" in output and r"[bold]\x1b]0;x\x07[/]" in output


def test_a_table_in_a_file_wraps_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    name = "photos/" + 100 * "a" + ".jpg"

    @click.command()
    def prints() -> None:
        table = Table("image", "score")
        table.add_row(name, "0.5")
        say_table(table)

    assert name in CliRunner().invoke(prints, []).output
    monkeypatch.setenv("COLUMNS", "80")
    assert name not in CliRunner().invoke(prints, []).output


@given(ANY_TEXT)
def test_no_error_of_a_command_commands_a_terminal(text: str) -> None:
    def fail() -> None:
        raise click.ClickException(text)

    def misused() -> None:
        raise click.BadParameter(text, param_hint="x")

    class Program(Commands):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
            return click.Command("c", callback=fail if cmd_name == "fail" else misused)

    for name in ("fail", "misused"):
        result = CliRunner().invoke(Program("partlens", {}, help="h"), [name])
        assert result.exit_code in (1, 2)
        assert all(map(commands_nothing, result.output.split("\n")))


@given(ANY_TEXT)
def test_what_is_harmless_stays(text: str) -> None:
    if text.isprintable():
        assert safe(text) == text


def direct_prints(path: Path) -> list[str]:
    """Calls and imports by which a module prints on its own."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("print", "click.echo", "click.secho", "click.echo_via_pager") or (
                called.startswith(("sys.stdout.", "sys.stderr.")) and "write" in called
            ):
                found.append(f"{path.name}:{node.lineno} {called}")
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {alias.name for alias in node.names}
            if node.module.split(".")[0] == "rich" and names & {"Console", "Table", "print"}:
                found.append(f"{path.name}:{node.lineno} {node.module}")
            if node.module == "click" and names & {"echo", "secho"}:
                found.append(f"{path.name}:{node.lineno} click.echo")
    return found


@pytest.mark.parametrize("part", PARTS)
def test_commands_print_by_one_module_only(part: str) -> None:
    modules = [
        path
        for path in (ROOT / part / "partlens").rglob("*.py")
        if path.name not in PRINTERS and "_pb2" not in path.name
    ]
    assert len(modules) > 10
    assert [found for path in modules for found in direct_prints(path)] == []


def test_the_search_for_direct_prints_finds_them(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    for text in (
        "print(1)",
        "click.echo(x)",
        "from rich.table import Table",
        "from click import echo",
    ):
        path.write_text(text)
        assert direct_prints(path)
    path.write_text("from rich.progress import BarColumn\nsay(1)\n")
    assert not direct_prints(path)


@given(secret=SECRET, more=SECRET)
@pytest.mark.parametrize(
    "form",
    [
        "redis://:{}@h:1/0",
        "https://u:{}@h/p",
        "https://{}@h/p",
        "http://h/p?token={}",
        "http://h/p?a=1&b={}#c",
        "http://h/p#{}",
        "http://h?{}",
        "rediss://h/0?password={}",
    ],
)
def test_a_secret_in_a_url_is_hidden(form: str, secret: str, more: str) -> None:
    url = form.format(f"{secret}X{more}")
    for hidden in (redacted_url(url), redacted(f"GET {url} failed"), redacted(repr(url))):
        assert f"{secret}X{more}" not in hidden and "h" in hidden


@given(user=st.text("ab", max_size=3), secret=st.text("XY/?#@:;& %", min_size=1).filter(str.strip))
def test_a_password_with_any_character_is_hidden_in_an_address(user: str, secret: str) -> None:
    assert redacted_url(f"mqtt://{user}:{secret}@broker") == "mqtt://***@broker"
    if not secret.startswith("//"):  # that would be a URL
        assert redacted_url(f"{user}:{secret}@broker:1883") == "***@broker:1883"


@given(SECRET)
def test_a_secret_in_a_header_or_a_pair_is_hidden(secret: str) -> None:
    text = f"XXXX{secret}"
    for form in ("Bearer {}", "b'Bearer {}'", "bearer {}", "password={}", "plt_0123abcd_{}"):
        assert text not in redacted(form.format(text))


@given(ANY_TEXT)
def test_a_text_without_secrets_stays(text: str) -> None:
    plain = "".join(one for one in text if one not in ":=@?#_")
    if not any(word in plain.lower() for word in ("bearer", "basic")):
        assert redacted(plain) == plain


PIECES = [
    "://",
    "u:p@h?a=b",
    "Bearer ",
    "BASIC  ",
    "token",
    "password",
    "=",
    ":",
    ": ",
    "'",
    '"',
    "b",
]
PIECES += ["plt_0a_", "X1", "\u017f", "\u0130", "secret", "\n", ";"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_no_pattern_is_left_out_that_could_match(text: str) -> None:
    """Patterns are skipped where a character that they need is missing."""
    shown = redaction._URL.sub(lambda url: redacted_url(url[0]), text)
    for pattern, by in (
        (redaction._SCHEME, r"\1 ***"),
        (redaction._PAIR, r"\1***"),
        (redaction._QUOTED, r"\1\2***"),
        (redaction._TOKEN, r"\1***"),
    ):
        shown = pattern.sub(by, shown)
    assert redacted(text) == shown


@pytest.mark.parametrize("text", ["a", "a:", "://", "password", "Bearer ", "plt_", "\x1b"])
def test_a_long_text_is_redacted_in_time(text: str) -> None:
    """Seconds, where a search that begins anew at each character would take hours."""
    signal.alarm(60)
    try:
        redacted(text * (2**18 // len(text)))
    finally:
        signal.alarm(0)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{'password': 'hunter2'}", "{'password': '***'}"),
        ('{"client_secret":"a b","user":"x"}', '{"client_secret":"***","user":"x"}'),
        ("secret='a b' retries=3", "secret='***' retries=3"),
        (
            "AWS_SECRET_ACCESS_KEY=abc access_token=xyz",
            "AWS_SECRET_ACCESS_KEY=*** access_token=***",
        ),
        ("token=abc, page 2", "token=***, page 2"),
        ("access.tokens=/etc/tokens.json, token a1 is revoked",) * 2,
    ],
)
def test_secrets_with_a_name_are_hidden_and_the_rest_is_shown(text: str, shown: str) -> None:
    assert redacted(text) == shown
