"""`partlens index snapshot` beside a running server, and `restore` of everything it kept."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from partlens.cli.main import main
from partlens.runtime.config.settings import Settings
from partlens.server.audit.log import AuditLog
from partlens.server.audit.verification import verify
from partlens.server.backup.kept import kept_files


def partlens(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """The folder of a server, as `partlens setup` writes it, with its log and a standing query."""
    folder = tmp_path / "server"
    assert partlens("setup", folder).exit_code == 0
    (folder / "gallery.standing").mkdir()
    (folder / "gallery.standing" / "s-0123456789abcdef.safetensors").write_bytes(b"query")
    return folder


def test_everything_of_a_server_comes_back(server: Path, tmp_path: Path) -> None:
    async def logged() -> None:
        log = AuditLog(server / "gallery.audit.jsonl")
        log.open()
        for number in range(3):
            await log.append({"number": number})
            await log.rotate()
        await log.append({"number": 3})
        # Beside the running server, whose log stays locked.
        done = await asyncio.to_thread(
            partlens, "index", "snapshot", server / "gallery", tmp_path / "snapshot",
            "--config", server / "partlens.toml",
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        await log.close()

    asyncio.run(logged())
    before = {file.relative_to(server): file.read_bytes() for file in _files(server)}
    modes = {file.relative_to(server): file.stat().st_mode for file in _files(server)}
    shutil.rmtree(server)
    assert partlens("index", "restore", tmp_path / "snapshot", server).exit_code == 0
    after = {file.relative_to(server): file.read_bytes() for file in _files(server)}
    apart = {
        Path("gallery/truth.sha256"),
        Path("gallery/committed.json"),
        Path("gallery/writer.lock"),
    }
    kept = {path for path in before if path not in apart and "truth.lance" not in path.parts}
    kept = {path for path in kept if path.name[0] != "." and path.suffix != ".lock"}
    assert all(after[path] == before[path] for path in kept)
    assert all((server / path).stat().st_mode == modes[path] for path in kept)
    assert verify(server / "gallery.audit.jsonl").entries >= 4
    assert partlens("doctor", "--config", server / "partlens.toml").exit_code == 0


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_files_elsewhere_are_kept_and_named_on_restoring(server: Path, tmp_path: Path) -> None:
    shutil.move(server / "tokens.json", tmp_path / "tokens.json")
    chosen = f"access.tokens={tmp_path / 'tokens.json'}"
    done = partlens("index", "snapshot", server / "gallery", tmp_path / "snapshot", "--set", chosen)
    assert done.exit_code == 0, done.output
    told = partlens("index", "restore", tmp_path / "snapshot", tmp_path / "back").output
    place = tmp_path / "back" / "elsewhere" / "access.tokens" / "tokens.json"
    assert f"put {place} back to {tmp_path / 'tokens.json'}" in told.replace("\n", " ")
    assert place.read_bytes() == (tmp_path / "tokens.json").read_bytes()
    facts = json.loads((tmp_path / "snapshot" / "snapshot.json").read_text())
    assert facts["origins"]["elsewhere/access.tokens/tokens.json"] == str(tmp_path / "tokens.json")


def test_every_file_that_a_setting_names_is_kept(server: Path, tmp_path: Path) -> None:
    """Also those of later settings: all paths, but for the gallery and what a start writes."""
    sections: dict[str, dict[str, Path]] = {}
    for section in Settings.model_fields:
        for key, field in type(getattr(Settings(), section)).model_fields.items():
            if "Path" in str(field.annotation) and "tuple" not in str(field.annotation):
                sections.setdefault(section, {})[key] = tmp_path / f"{section}.{key}"
    for section, values in sections.items():
        for key, path in values.items():
            path.write_text(f"{section}.{key}")
    (tmp_path / "access.audit_log").unlink()
    del sections["server"]["aliases"]  # for named galleries, which exclude server.gallery
    used = Settings.model_validate(sections)
    kept = {other.source.name for other in kept_files(server / "gallery", used, None, [])}
    left = {"server.gallery", "server.aliases", "server.address_file", "server.http_address_file"}
    expected = {f"{s}.{key}" for s, values in sections.items() for key in values}
    assert kept == expected - left - {"access.audit_log"}


def test_a_broken_audit_log_gives_no_snapshot(server: Path, tmp_path: Path) -> None:
    (server / "gallery.audit.jsonl").write_text('{"a": 1}\n')
    done = partlens("index", "snapshot", server / "gallery", tmp_path / "snapshot")
    assert done.exit_code == 1 and "not a line of an audit log" in done.output
    assert not (tmp_path / "snapshot").exists()


def test_a_snapshot_of_one_of_several_galleries(server: Path, tmp_path: Path) -> None:
    (server / "partlens.toml").write_text(
        f"""
        [server]
        default_gallery = "people"
        galleries.cars = {{path = "{server}/cars", model = "{tmp_path}/cars-model"}}
        galleries.people = {{path = "{server}/gallery", model = "{tmp_path}/people-model"}}
        """
    )
    shutil.copytree(server / "gallery", server / "cars")
    (server / "cars.standing").mkdir()
    for place in (
        "server/galleries.aliases.json", "server/cars.standing/s-0123456789abcdef.safetensors",
        "cars-model/model.json", "people-model/model.json", "server/gallery.audit.jsonl",
    ):  # fmt: skip
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text("")
    models = {
        f"elsewhere/server.galleries.{name}.model/{name}-model/model.json"
        for name in ("cars", "people")
    }
    common = {"partlens.toml", "galleries.aliases.json", "gallery.audit.jsonl", *models}
    for name, folder, other in (("gallery", "gallery", "cars"), ("cars", "cars", "people")):
        done = partlens(
            "index", "snapshot", server / folder, tmp_path / f"of-{name}",
            "--config", server / "partlens.toml",
        )  # fmt: skip
        assert done.exit_code == 0 and f"other galleries ({other})" in done.output, done.output
        origins = json.loads((tmp_path / f"of-{name}" / "snapshot.json").read_text())["origins"]
        standing = f"{folder}.standing/s-0123456789abcdef.safetensors"
        assert common | {standing} <= origins.keys()
        unwanted = "cars" if folder == "gallery" else "gallery"
        tops = {place.split("/")[0] for place in origins}
        assert not tops & {unwanted, f"{unwanted}.standing"}
