"""Where settings come from, who wins, what is refused, and that the page about them is true."""

import os
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from partlens.runtime.config import table
from partlens.runtime.config.cli import config, load_or_fail
from partlens.runtime.config.settings import Settings, from_texts, load
from partlens.runtime.errors import SettingsError
from partlens.runtime.secret_files import read_secret, read_token

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def nothing_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "partlens.toml").write_text(
        "[limits]\nregions = 2\nquery_images = 2\nsearch_depth = 2\n"
    )
    monkeypatch.setenv("PARTLENS__LIMITS__REGIONS", "3")
    monkeypatch.setenv("PARTLENS__LIMITS__QUERY_IMAGES", "3")
    loaded = load(from_texts(["limits.regions=4"]))
    limits = loaded.settings.limits
    assert (limits.regions, limits.query_images, limits.search_depth) == (4, 3, 2)
    assert limits.list_page_size == Settings().limits.list_page_size
    assert loaded.origins == {
        "limits.regions": "flag",
        "limits.query_images": "environment",
        "limits.search_depth": "partlens.toml",
    }


def test_folders_are_named_in_every_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "partlens.toml").write_text('[server]\noriginals = ["/a:b", "c d"]\n')
    assert load().settings.server.originals == (Path("/a:b"), Path("c d"))
    shown = table.shown(load())
    assert 'originals = ["/a:b", "c d"]' in shown
    monkeypatch.setenv("PARTLENS__SERVER__ORIGINALS", "/x:y")
    assert load().settings.server.originals == (Path("/x"), Path("y"))
    flags = from_texts(["server.originals=/one folder"])
    assert load(flags).settings.server.originals == (Path("/one folder"),)
    monkeypatch.setenv("PARTLENS__SERVER__ORIGINALS", "")
    assert load(from_texts(["server.originals="])).settings.server.originals == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limits.region=3", "limits.region does not exist"),
        ("limit.regions=3", "limit does not exist"),
        ("limits.regions=many", "limits.regions = 'many' .from flag.: .*integer"),
        ("limits.regions=0", "greater than or equal to 1"),
        ("server.grace_seconds=nan", "finite"),
        ("server.reflection=perhaps", "boolean"),
        ("regions=3", "is not SECTION.KEY=VALUE"),
        ("redis.url=127.0.0.1:6379", "must begin with redis:// or rediss://"),
        ("redis.url=redis://h:99999/0", "no host and port that can be read"),
        ("redis.url=redis://h/zero", "must end in a database number"),
        ("standing.webhook=ftp://h", "must begin with http:// or https://"),
        ("standing.webhook=http://", "has no host"),
        ("bridge.frigate=http://a b", "without blanks"),
        ("bridge.frigate=http://h:0", "from 1 to 65535"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(from_texts([text]))


ADDRESSES = ["server.listen", "observe.metrics_listen", "ingest.server", "bridge.mqtt"]


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://127.0.0.1:1", "write 127.0.0.1:1 without http://"),
        ("127.0.0.1", "has no port"),
        ("127.0.0.1:99999", "from 1 to 65535"),
        ("::1:50051", "write [::1]:50051"),
        (":50051", "has no host"),
        (" 127.0.0.1:1", "has blanks"),
        ("unix:/run/partlens", "is not supported"),
        ("", "is empty"),
    ],
)
def test_a_setting_that_is_no_address_says_what_to_write(
    name: str, text: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=f"setting {name} = .*{re.escape(message)}"):
        load(from_texts([f"{name}={text}"]))


@pytest.mark.parametrize("name", ADDRESSES)
def test_only_a_listener_may_have_port_0(name: str) -> None:
    if name.endswith("listen"):
        load(from_texts([f"{name}=127.0.0.1:0"]))
    else:
        with pytest.raises(SettingsError, match="port 0, which nothing listens on"):
            load(from_texts([f"{name}=127.0.0.1:0"]))


@pytest.mark.parametrize(
    "name", [f"{row.section}.{row.key}" for row in table.rows() if "number" in row.kind]
)
def test_a_number_is_finite_and_of_a_size_that_can_be_used(name: str) -> None:
    for text in ("nan", "inf", "-inf", "1e300", "-1", str(10**30), "many", ""):
        with pytest.raises(SettingsError, match=f"setting {name} = "):
            load(from_texts([f"{name}={text}"]))


@pytest.mark.parametrize("name", ["redis.url", "bridge.frigate", "standing.webhook"])
def test_a_password_in_an_address_that_cannot_be_used_is_not_shown(name: str) -> None:
    with pytest.raises(SettingsError, match=f"setting {name} ") as caught:
        load(from_texts([f"{name}=http://user:hidden@h:99999"]))
    assert "hidden" not in str(caught.value)


def test_a_setting_with_two_values_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_texts(["limits.regions=4", "limits.regions=4"]) == {"limits": {"regions": "4"}}
    with pytest.raises(SettingsError, match=r"--set limits\.regions is given twice"):
        from_texts(["limits.regions=4", "limits.regions=5"])
    with pytest.raises(
        click.ClickException, match=r"--set server\.listen and --listen are the same"
    ):
        load_or_fail(None, ("server.listen=a:1",), {"server": {"listen": "b:1"}})
    monkeypatch.setenv("PARTLENS__LIMITS__REGIONS", "4")
    monkeypatch.setenv("partlens__limits__regions", "5")
    with pytest.raises(SettingsError, match="are the same setting"):
        load()


def test_a_slip_in_the_environment_or_the_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "other.toml"
    for text, message in [
        ("[limits]\nregionss = 2\n", "limits.regionss does not exist .from .*other.toml"),
        ("limits = 2\n", "limits must be a section"),
        ("[limits\n", "other.toml cannot be read"),
    ]:
        file.write_text(text)
        with pytest.raises(SettingsError, match=message):
            load(file=file)
    with pytest.raises(SettingsError, match=r"none\.toml does not exist"):
        load(file=tmp_path / "none.toml")
    monkeypatch.setenv("PARTLENS__LIMIT__REGIONS", "3")
    with pytest.raises(SettingsError, match="PARTLENS__LIMIT__REGIONS: there is no section"):
        load()


def test_what_is_shown_can_be_read_back(tmp_path: Path) -> None:
    file = tmp_path / "shown.toml"
    shown = CliRunner().invoke(config, ["show", "--set", "limits.regions=5"])
    assert "regions = 5  # flag" in shown.output and "# model is not set" in shown.output
    file.write_text(shown.output)
    assert load(file=file).settings == load(from_texts(["limits.regions=5"])).settings


def test_every_setting_says_what_it_is_for_and_has_its_row_on_the_page() -> None:
    page = PAGE.read_text()
    assert page == CliRunner().invoke(config, ["docs"]).output
    for row in table.rows():
        assert row.help and f"| `{row.key}` | {row.kind} |" in page
    assert load().settings == Settings()


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("redis.url=redis://h/0?protocol=hidden", "hidden"),
        ("standing.webhook=https://h/hidden", "hidden"),
        ("standing.webhook=https://u:hidden@h/p?token=hidden#hidden", "hidden"),
    ],
)
def test_no_secret_is_shown_and_what_is_hidden_is_not_read_back(
    tmp_path: Path, text: str, hidden: str
) -> None:
    result = CliRunner().invoke(config, ["show", "--set", text])
    assert result.exit_code == 0 and hidden not in result.output and "***" in result.output
    (tmp_path / "shown.toml").write_text(result.output)
    assert load(file=tmp_path / "shown.toml").settings == Settings()


@pytest.mark.parametrize(
    "text",
    [
        "redis.url=redis://h/0?password=hidden",
        "redis.url=http://h?password=hidden",
        "bridge.frigate=http://h?token=hidden",
        "bridge.frigate=http://h/#hidden",
        "bridge.mqtt=user:hidden@broker:1883",
        "bridge.mqtt=user:hid/hidden@broker:1883",
        "ingest.server=http://user:hidden@h:1",
        "standing.webhook=ftp://h/hidden",
        "standing.webhook=http://h:0/?token=hidden",
        "limits.regions=redis://u:hidden@h",
        "standing.webhook:https://u:hidden@h",
    ],
)
def test_no_error_of_a_setting_shows_a_secret(text: str) -> None:
    for command in (["show", "--set", text], ["show", "--set", text, "--set", f"{text}2"]):
        result = CliRunner().invoke(config, command)
        assert result.exit_code == 1 and "hidden" not in result.output, result.output


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("PARTLENS_SERVER__LISTEN", "PARTLENS__SERVER__LISTEN"),
        ("PARTLENS_SERVER_LISTEN", "PARTLENS__SERVER__LISTEN"),
        ("partlens_server__listn", "PARTLENS__SERVER__LISTEN"),
        ("PARTLENS__SERVER_LISTEN", "server"),
        ("PARTLENS__SERVER__LISTN", "server.listen"),
    ],
)
def test_a_slip_in_the_environment_names_the_nearest_setting(
    monkeypatch: pytest.MonkeyPatch, variable: str, nearest: str
) -> None:
    monkeypatch.setenv(variable, "127.0.0.1:1")
    with pytest.raises(SettingsError, match=f"did you mean {re.escape(nearest)}"):
        load()


@pytest.mark.parametrize(
    "variable",
    ["PARTLENS_TOKEN", "PARTLENS_SERVER", "PARTLENS_SERVICE_HOST", "PARTLENS_PORT_50051_TCP"],
)
def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "x")
    load()


@pytest.mark.parametrize("content", [b"hid\nden", b"hid\x1bden", b"hid\xffden", b"", b"hid\x00den"])
def test_no_error_of_a_file_of_a_secret_shows_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"^redis\.password_file = .*password ") as caught:
        read_secret(file, "redis.password_file")
    problem = str(caught.value).partition(" = ")[2].removeprefix(str(file))
    assert "hid" not in problem and "den" not in problem
    file.write_text("  right\n")
    assert read_secret(file, "x") == read_token(file, "x") == "right"


def test_a_working_folder_that_may_not_be_read_is_named_as_such(tmp_path: Path) -> None:
    """Such as that of root, in whose shell `runuser` runs a command as another user."""
    before = os.geteuid()
    tmp_path.chmod(0)
    try:
        if before == 0:
            os.seteuid(65534)
        with pytest.raises(SettingsError, match=r"may not read the working folder.*partlens\.toml"):
            load()
    finally:
        os.seteuid(before)
        tmp_path.chmod(0o700)
