"""The doctor names what is active and complains of what cannot work."""

import re
import socket
import sys
from pathlib import Path

import faiss
import pytest
from click.testing import CliRunner, Result
from redis_server import running_redis

from partlens.explainer.model import read_spec
from partlens.explainer.starter import model_folder
from partlens.indexer.gallery import Gallery
from partlens.server.access.token_file import TokenFile
from partlens.server.access.tokens import create
from partlens.server.audit.log import AuditLog
from partlens.server.doctor.cli import doctor
from partlens.server.doctor.deployment import try_audit_log
from partlens.server.doctor.installation import examine, installed, try_faiss


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({"faiss-cpu": "1.15.1", "faiss-gpu": "1.15.1"}, "both installed"),
        ({"faiss-cpu": None, "faiss-gpu": None}, "neither faiss-cpu nor faiss-gpu"),
        ({"faiss-cpu": "1.15.1", "faiss-gpu": None, "torch": None}, "torch is not installed"),
    ],
)
def test_what_cannot_work_is_complained_of(versions: dict[str, str | None], words: str) -> None:
    (complaint,) = examine(versions).complaints
    assert words in complaint


@pytest.mark.parametrize("active", ["faiss-cpu", "faiss-gpu"])
def test_one_faiss_is_enough(active: str) -> None:
    versions: dict[str, str | None] = {"faiss-cpu": None, "faiss-gpu": None}
    assert examine({**versions, active: "1.15.1"}).complaints == ()


def test_the_command_reports_this_installation() -> None:
    result = CliRunner().invoke(doctor)
    complaints = examine(installed()).complaints
    assert result.exit_code == (1 if complaints else 0)
    assert "python 3." in result.stdout and "torch 2." in result.stdout
    assert "active faiss: " in result.stdout
    assert f"module faiss: imports, version {faiss.__version__}" in result.stdout
    assert f"starter model: {read_spec(model_folder()).digest}" in result.stdout
    assert result.stderr.count("complaint: ") == len(complaints)


def test_a_faiss_that_does_not_import_is_complained_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_faiss.py").write_text("raise OSError('libgomp is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    trial = try_faiss("broken_faiss")
    assert trial.finding == "does not import" and "libgomp is missing" in trial.complaint
    assert "broken_faiss" not in sys.modules


def ask(*texts: str) -> Result:
    return CliRunner().invoke(doctor, [part for text in texts for part in ("--set", text)])


def test_folders_of_originals_that_are_not_there_are_complained_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    result = ask(f"server.originals={tmp_path}:{tmp_path / 'file'}:/nowhere")
    assert result.exit_code == 1 and "originals: 1 of 3 folders" in result.stdout
    for folder in (tmp_path / "file", "/nowhere"):
        assert f"originals: {folder} is not a folder that can be entered" in result.stderr


def test_what_the_settings_name_is_tried(tmp_path: Path) -> None:
    model, folder = model_folder(), tmp_path / "gallery"
    Gallery.create(folder, read_spec(model)).close()
    tokens = f"access.tokens={tmp_path / 'tokens.json'}"
    result = ask(f"server.model={model}", f"server.gallery={folder}", tokens)
    assert result.exit_code == 0, result.stderr
    digest = read_spec(model).digest
    assert f"model: {digest}" in result.stdout
    assert f"gallery: 0 images at version 1, of model {digest}" in result.stdout
    for words in ("cores, GPUs: ", "GiB free", "audit log: none yet", "tokens: 0", "clock: 20"):
        assert words in result.stdout
    assert "redis" not in result.stdout


def test_each_thing_that_cannot_be_used_is_complained_of(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem", "gallery.audit.jsonl", "tokens.json"):
        (tmp_path / name).write_text("{broken\n")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    result = ask(
        f"server.model={tmp_path / 'none'}",
        f"server.gallery={tmp_path / 'gallery'}",
        f"access.tls_certificate={tmp_path / 'cert.pem'}",
        f"access.tls_key={tmp_path / 'key.pem'}",
        f"access.tokens={tmp_path / 'tokens.json'}",
        f"redis.url=redis://127.0.0.1:{port}/0",
    )
    assert result.exit_code == 1 and "Traceback" not in result.output
    complained = re.findall("^complaint: ([a-z ]+):", result.stderr, re.MULTILINE)
    assert complained == [
        "model",
        "gallery",
        "disk",
        "audit log",
        "certificate",
        "tokens",
        "secrets",
        "redis",
    ]


def test_a_redis_server_is_reached_with_its_password(tmp_path: Path) -> None:
    with running_redis(tmp_path) as redis:
        url, file = redis.values["url"], redis.values["password_file"]
        right = ask(f"redis.url={url}", f"redis.password_file={file}")
        assert "redis: answers, version " in right.stdout
        without = ask(f"redis.url={url}")
        assert without.exit_code == 1 and "complaint: redis: " in without.stderr
        assert "hidden" not in right.output + without.output


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    result = ask("redis.url=redis://:hidden@127.0.0.1/0")
    assert result.exit_code == 1 and "use password_file" in result.stderr
    assert "hidden" not in result.output


@pytest.mark.parametrize(
    ("mode", "right"), [(0o600, True), (0o640, True), (0o644, False), (0o660, False)]
)
def test_a_file_of_secrets_that_others_can_read_is_complained_of(
    tmp_path: Path, mode: int, right: bool
) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    file.add(create("one", frozenset({"search"}))[0])
    file.path.chmod(mode)
    result = ask(f"access.tokens={file.path}")
    assert (result.exit_code == 0) == right
    assert ("use chmod 600" in result.stderr) != right


async def test_a_log_that_someone_moved_is_complained_of(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AuditLog(path)
    log.open()
    await log.append({"n": 0})
    path.rename(tmp_path / "log.1")
    await log.append({"n": 1})
    await log.close()
    assert "the log was moved" in try_audit_log(path).complaint
