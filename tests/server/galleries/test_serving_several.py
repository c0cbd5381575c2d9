"""`partlens serve` with several galleries: settings, flags, kill -9, and galleries added later."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from server_process import ServerProcess, process_in
from tests.server.conftest import DEADLINE, picture, tiny_model

from partlens.cli.main import main
from partlens.client import Client, NotFoundError, Upload
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.runtime.config.settings import Settings, load
from partlens.runtime.errors import SettingsError
from partlens.server.choosing import Loader, chosen_galleries, gallery_flags


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folders m1 and m2, galleries people and cars of m1, and people-v2 of m2."""
    made = tmp_path_factory.mktemp("several")
    for number, name in enumerate(("m1", "m2")):
        tiny_model(name, seed=number).save(made / name)
    for gallery, model in (("people", "m1"), ("cars", "m1"), ("people-v2", "m2")):
        Gallery.create(made / gallery, MetricModel.load(made / model).spec).close()
    return made


def wait_until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not met():
        assert time.monotonic() < end
        time.sleep(0.05)


def command(*arguments: str) -> Result:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result


def test_an_alias_survives_kill_9_and_a_gallery_is_added_by_sighup(folder: Path) -> None:
    file = folder / "partlens.toml"

    def write(*names: str) -> None:
        models = {"people": "m1", "cars": "m1", "people-v2": "m2"}
        tables = [
            f'[server.galleries.{name}]\npath = "{folder / name}"\n'
            f'model = "{folder / models[name]}"'
            for name in names
        ]
        file.write_text('[server]\ndefault_gallery = "people"\n' + "\n".join(tables))

    write("cars", "people")
    with process_in(folder, "--config", file) as server:
        options = ["--server", server.address]
        with Client(server.address) as client:
            assert client.get_gallery().gallery == "people"
            client.upsert_images([Upload("a", picture(1))])
            with pytest.raises(NotFoundError, match="you may use cars, people"):
                client.get_gallery(gallery="people-v2")
            write("cars", "people", "people-v2")
            server.process.send_signal(signal.SIGHUP)

            def added() -> bool:
                return "people-v2" in {one.name for one in client.list_galleries()}

            wait_until(added)
            assert client.get_gallery().images == 1
            told = command("gallery", "alias", "people", "people-v2", *options)
            assert told.stdout == "people leads to people-v2, before to people\n"
            listed = command("gallery", "list", *options).stdout
            assert "people-v2" in listed and "default" in listed
            server.process.kill()
            server.process.wait(DEADLINE)
    with process_in(folder, "--config", file) as server:
        require_moved(server)


def require_moved(server: ServerProcess) -> None:
    with Client(server.address) as client:
        assert client.get_gallery(gallery="people").gallery == "people-v2"
        assert client.get_gallery(gallery="people").images == 0
    with Client(server.address, gallery="cars") as client:
        assert client.get_gallery().gallery == "cars"
        assert client.get_gallery(gallery="").gallery == "people-v2"
    options = ["--server", server.address, "--gallery", "people"]
    assert command("images", "count", *options).stdout.startswith("0 images")


def of(**server: object) -> Settings:
    return Settings.model_validate({"server": server})


def test_flags_name_galleries_and_models() -> None:
    flags = gallery_flags(["people=g/p", "cars=g/c"], ["m1", "cars=m2"])
    chosen = chosen_galleries(load({"server": flags}).settings)
    found = {name: (str(one.path), str(one.model)) for name, one in chosen.by_name.items()}
    assert list(found.items()) == [("people", ("g/p", "m1")), ("cars", ("g/c", "m2"))]
    assert chosen.aliases is not None and chosen.aliases.name == "galleries.aliases.json"
    # A path may hold an equals sign, and a server of one gallery needs no name.
    flags = gallery_flags(["./a=b"], ["m"])
    chosen = chosen_galleries(load({"server": flags}).settings)
    assert [(n, str(one.path)) for n, one in chosen.by_name.items()] == [("default", "a=b")]
    assert chosen.aliases is None


@pytest.mark.parametrize(
    ("galleries", "models", "words"),
    [
        (["g", "h"], ["m"], "NAME=PATH"),
        (["a=g", "h"], ["m"], "NAME=PATH"),
        (["a=g", "a=h"], ["m"], "once"),
        (["a=g"], ["b=m"], "--model b="),
        (["g"], ["b=m"], "NAME=PATH"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(
    galleries: list[str], models: list[str], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        gallery_flags(galleries, models)


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ({"gallery": "g", "galleries": {"a": {"path": "g"}}, "model": "m"}, "give one of them"),
        ({"galleries": {"a": {"path": "g"}}}, "model"),
        ({"model": "m"}, "--gallery"),
        (
            {"galleries": {"a": {"path": "g"}}, "model": "m", "default_gallery": "b"},
            "default_gallery = b",
        ),
        ({"galleries": {"a": {"path": "g"}, "b": {"path": "./g"}}, "model": "m"}, "same place"),
        ({"gallery": "g", "model": "m", "aliases": "x"}, "named galleries"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    server: dict[str, object], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        chosen_galleries(of(**server))


def test_a_flag_takes_the_place_of_the_galleries_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text('[server]\nmodel = "m"\n[server.galleries.a]\npath = "g"')
    one = load({"server": gallery_flags(["h"], [])}, file).settings
    assert [str(c.path) for c in chosen_galleries(one).by_name.values()] == ["h"]
    file.write_text('[server]\nmodel = "m"\ngallery = "g"')
    named = load({"server": gallery_flags(["b=h"], [])}, file).settings
    assert list(chosen_galleries(named).by_name) == ["b"]
    file.write_text('[server.galleries."A b"]\npath = "g"')
    with pytest.raises(SettingsError, match="A b"):
        load(None, file)


def test_a_model_that_galleries_share_is_loaded_once(folder: Path) -> None:
    tables = {
        name: {"path": folder / name, "model": folder / model}
        for name, model in (("people", "m1"), ("cars", "m1"), ("people-v2", "m2"))
    }
    settings = of(galleries=tables)
    makes = Loader().makes(chosen_galleries(settings), settings)
    engines = {name: make() for name, make in makes.items()}
    try:
        assert engines["people"].model is engines["cars"].model
        assert engines["people"].model is not engines["people-v2"].model
    finally:
        for engine in engines.values():
            engine.close()


def test_the_settings_of_galleries_are_shown(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text(f'[server]\nmodel = "{folder / "m1"}"\n[server.galleries.a]\npath = "g"')
    shown = command("config", "show", "--config", str(file)).stdout
    again = tmp_path / "again.toml"
    again.write_text(shown)
    assert load(None, again).settings == load(None, file).settings
    variables = {**os.environ, "PARTLENS__SERVER__GALLERIES": '{"b": {"path": "h"}}'}
    result = CliRunner().invoke(main, ["config", "show"], env=variables)
    assert "galleries" in result.stdout and '"h"' in result.stdout
