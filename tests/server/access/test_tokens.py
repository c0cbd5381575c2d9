"""Tokens: only their holder has them, and what is done to the file is seen at once."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from partlens.server.access import tokens
from partlens.server.access.cli import token as token_command
from partlens.server.access.token_file import TokenFile
from partlens.server.errors import TokenFileError


def test_a_token_is_its_own_and_no_other() -> None:
    one, text = tokens.create("one", frozenset({"search"}))
    id, secret = tokens.split(text)
    assert id == one.id and one.matches(secret)
    assert not one.matches(secret[:-1]) and not one.matches(secret + "a") and not one.matches("")
    other, _ = tokens.create("one", frozenset({"search"}))
    assert not other.matches(secret)


def test_what_is_stored_reads_back_and_does_not_hold_the_secret(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    assert file.read() == {}
    expires = datetime(2030, 1, 1, tzinfo=UTC)
    made, text = tokens.create("gate", frozenset({"ingest"}), frozenset({"a", "b"}), expires)
    file.add(made)
    assert TokenFile(file.path).read() == {made.id: made}
    assert tokens.split(text)[1] not in file.path.read_text()
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert made.expired(expires) and not made.expired(expires - timedelta(seconds=1))


def test_a_change_by_another_process_is_seen(tmp_path: Path) -> None:
    server, operator = TokenFile(tmp_path / "t"), TokenFile(tmp_path / "t")
    first, second = (tokens.create(n, frozenset({"search"}))[0] for n in ("first", "second"))
    operator.add(first)
    operator.add(second)
    assert set(server.read()) == {first.id, second.id}
    operator.remove(first.id)
    assert set(server.read()) == {second.id}
    with pytest.raises(TokenFileError, match="has no token"):
        operator.remove(first.id)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"format": 3, "tokens": []}', '{"format": 1, "tokens": [{}]}', "\x00"],
)
def test_a_damaged_file_lets_nobody_in(tmp_path: Path, text: str) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    file.add(tokens.create("one", frozenset({"search"}))[0])
    file.path.write_text(text)
    with pytest.raises(TokenFileError, match=r"tokens\.json"):
        file.read()


def test_a_file_that_says_a_thing_twice_lets_nobody_in(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    file.add(tokens.create("one", frozenset({"search"}))[0])
    (token,) = json.loads(file.path.read_text())["tokens"]
    file.path.write_text(
        json.dumps({"format": 1, "tokens": [token, token | {"scopes": ["admin"]}]})
    )
    with pytest.raises(TokenFileError, match="two tokens with the same id"):
        file.read()
    text = json.dumps({"format": 1, "tokens": [token]})
    file = TokenFile(tmp_path / "other.json")
    file.path.write_text(text.replace('"scopes"', '"scopes": ["admin"], "scopes"'))
    with pytest.raises(TokenFileError, match="key 'scopes' comes twice"):
        file.read()


def test_the_commands_make_list_and_revoke(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(token_command, [*arguments, "--tokens", str(path)])
        assert result.exit_code == 0, result.output
        return result.stdout

    text = run("create", "gate camera", "--scope", "ingest", "--camera", "a", "--days", "2").strip()
    id, secret = tokens.split(text)
    assert TokenFile(path).read()[id].matches(secret)
    (listed,) = json.loads(run("list", "--json"))
    assert (listed["id"], listed["scopes"], listed["cameras"]) == (id, ["ingest"], ["a"])
    assert "digest" not in listed and "salt" not in listed
    assert "gate camera" in run("list") and secret not in run("list")
    run("revoke", id)
    assert json.loads(run("list", "--json")) == []


def test_a_mistyped_path_makes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "tokns.json"
    for command in (["list"], ["list", "--json"], ["revoke", "0123abcd"]):
        result = CliRunner().invoke(token_command, [*command, "--tokens", str(path)])
        assert result.exit_code == 1 and f"{path} does not exist" in result.stderr
    assert list(tmp_path.iterdir()) == []
    create = ["create", "n", "--scope", "search", "--tokens", str(path)]
    assert f"created the token file {path}" in CliRunner().invoke(token_command, create).stderr
    assert "created" not in CliRunner().invoke(token_command, create).stderr


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2J", "caf\udce9"])
def test_a_name_is_one_line_of_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / "tokens.json"
    create = ["create", name, "--scope", "search", "--tokens", str(path)]
    result = CliRunner().invoke(token_command, create)
    assert result.exit_code == 1 and "must be one line of text" in result.stderr
    assert not path.exists()


def test_any_name_in_the_file_is_listed_as_it_is(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    for name in ("[/]", "[bold]x", "\x1b[2J", "caf\udce9"):
        file.add(tokens.create(name, frozenset({"search"}))[0])
    result = CliRunner().invoke(token_command, ["list", "--tokens", str(file.path)])
    assert result.exit_code == 0, result.output
    for shown in ("[/]", "[bold]x", r"\x1b[2J", r"caf\udce9"):
        assert shown in result.output
