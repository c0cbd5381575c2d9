"""`partlens serve` as a process: what it acknowledged survives it, and it stops when asked."""

import json
import signal
import time
from pathlib import Path

import grpc
import pytest
import trustme
from click.testing import CliRunner
from server_process import server_process
from tests.server.conftest import DEADLINE, picture, tiny_model, upserts

from partlens.client.cli.search import search
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.access.cli import token
from partlens.server.audit.verification import verify
from partlens.server.cli import serve
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_model().save(folder)
    return folder


@pytest.fixture
def gallery_folder(tmp_path: Path, model_folder: Path) -> Path:
    Gallery.create(tmp_path / "gallery", MetricModel.load(model_folder).spec)
    return tmp_path / "gallery"


def test_an_acknowledged_image_survives_kill_9(model_folder: Path, gallery_folder: Path) -> None:
    with server_process(model_folder, gallery_folder) as server:
        with grpc.insecure_channel(server.address) as channel:
            answers = GalleryServiceStub(channel).UpsertImages(iter(upserts(3)), timeout=DEADLINE)
            assert next(answers).HasField("committed")
            server.process.kill()
            server.process.wait(DEADLINE)
    with server_process(model_folder, gallery_folder) as server:
        with grpc.insecure_channel(server.address) as channel:
            stub = GalleryServiceStub(channel)
            found = stub.GetImage(pb.GetImageRequest(id="p000"), timeout=DEADLINE)
            assert found.image.id == "p000" and found.image.metadata.camera == "cam0"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_asked(
    model_folder: Path, gallery_folder: Path, number: signal.Signals
) -> None:
    with server_process(model_folder, gallery_folder) as server:
        with grpc.insecure_channel(server.address) as channel:
            state = GalleryServiceStub(channel).GetGallery(pb.GetGalleryRequest(), timeout=DEADLINE)
            assert state.images == 0 and state.limits.request_bytes == 32 * 2**20
        server.process.send_signal(number)
        said = server.finish()
        assert server.process.returncode == 0
        lines = [json.loads(line) for line in said.splitlines()]
        assert [line["message"] for line in lines if line["logger"].endswith("cli")] == [
            f"listening on {server.address}, loading",
            f"serving on {server.address}",
            "stopping",
        ]
        (call,) = [line for line in lines if line.get("method") == "GetGallery"]
        assert call["code"] == "OK" and len(call["request_id"]) == 16
        assert "Traceback" not in said
        assert not (gallery_folder.parent / "server.address").exists()


def test_the_wrong_model_for_the_gallery_is_a_clear_error(
    tmp_path: Path, gallery_folder: Path
) -> None:
    tiny_model("other", seed=1).save(tmp_path / "other")
    options = ["--model", tmp_path / "other", "--gallery", gallery_folder]
    result = CliRunner().invoke(serve, [*map(str, options), "--listen", "127.0.0.1:0"])
    assert result.exit_code == 1
    assert "Error: " in result.stderr and "model" in result.stderr
    assert "Traceback" not in result.output


def test_a_setting_that_cannot_be_ends_the_command(
    model_folder: Path, gallery_folder: Path
) -> None:
    options = ["--model", model_folder, "--gallery", gallery_folder, "--set", "limits.regions=x"]
    result = CliRunner().invoke(serve, [*map(str, options)])
    assert result.exit_code == 1 and "limits.regions = 'x' (from flag)" in result.stderr
    result = CliRunner().invoke(serve, ["--model", str(model_folder)])
    assert result.exit_code == 1 and "--gallery" in result.stderr


def test_a_port_in_use_ends_the_command(model_folder: Path, gallery_folder: Path) -> None:
    with server_process(model_folder, gallery_folder) as server:
        address = server.address
        options = ["--model", model_folder, "--gallery", gallery_folder, "--listen", address]
        result = CliRunner().invoke(serve, [*map(str, options)])
        assert result.exit_code == 1 and f"cannot listen on {address}" in result.stderr


def test_a_locked_server_is_searched_from_the_command_line(
    model_folder: Path, gallery_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    made = authority.issue_cert("localhost", "127.0.0.1")
    files = {name: tmp_path / name for name in ("cert", "key", "ca", "tokens", "token", "query")}
    files["key"].write_bytes(made.private_key_pem.bytes())
    files["cert"].write_bytes(made.cert_chain_pems[0].bytes())
    files["ca"].write_bytes(authority.cert_pem.bytes())
    files["query"].write_bytes(picture(1))
    run = CliRunner().invoke
    text = run(token, ["create", "me", "--scope", "search", "--tokens", str(files["tokens"])])
    files["token"].write_text(text.stdout)
    lock = [
        f"access.{k}={files[v]}" for k, v in {"tls_certificate": "cert", "tls_key": "key"}.items()
    ]
    lock.append(f"access.tokens={files['tokens']}")
    options = [part for one in lock for part in ("--set", one)]
    with server_process(model_folder, gallery_folder, *options) as server:
        search_it = [str(files["query"]), "--region", "0,0,20,20", "--json"]
        search_it += ["--server", server.address]
        secure = ["--ca", str(files["ca"])]
        refused = run(search, [*search_it, *secure])
        assert refused.exit_code == 1 and "this server needs a token" in refused.stderr
        assert "***" not in refused.stderr  # The advice is not taken for a secret.
        by_file = run(search, [*search_it, *secure, "--token-file", str(files["token"])])
        assert by_file.exit_code == 0, by_file.output
        assert json.loads(by_file.stdout)["hits"] == []
        monkeypatch.setenv("PARTLENS_TOKEN", text.stdout.strip())
        assert run(search, [*search_it, *secure]).stdout == by_file.stdout
        server.process.terminate()
        assert text.stdout.strip() not in server.finish()
    written = gallery_folder.with_name("gallery.audit.jsonl").read_text()
    # Each search asks for the limits, too, and without hits for the gallery's size and its cameras.
    assert written.count('"name": "me"') == 8 and text.stdout.strip() not in written


def test_other_machines_are_served_only_when_it_is_said_in_full(
    model_folder: Path, gallery_folder: Path
) -> None:
    options = ["--model", str(model_folder), "--gallery", str(gallery_folder)]
    result = CliRunner().invoke(serve, [*options, "--listen", "0.0.0.0:0"])
    assert result.exit_code == 1 and "no TLS" in result.stderr and "--insecure" in result.stderr
    short = CliRunner().invoke(serve, [*options, "--listen", "0.0.0.0:0", "--insec"])
    assert short.exit_code == 2
    open = ("--listen", "0.0.0.0:0", "--insecure")
    with server_process(model_folder, gallery_folder, *open) as server:
        assert server.address.startswith("0.0.0.0:")


def test_sighup_continues_the_audit_log_in_a_new_file(
    model_folder: Path, gallery_folder: Path
) -> None:
    log = gallery_folder.with_name("gallery.audit.jsonl")
    with server_process(model_folder, gallery_folder) as server:
        with grpc.insecure_channel(server.address) as channel:
            stub = GalleryServiceStub(channel)
            for number in (1, 2):
                stub.GetGallery(pb.GetGalleryRequest(), timeout=DEADLINE)
                server.process.send_signal(signal.SIGHUP)
                end = time.monotonic() + DEADLINE
                while not log.with_name(f"{log.name}.{number:06d}").exists():
                    assert time.monotonic() < end, server.log.read_text()
                    time.sleep(0.05)
            stub.GetGallery(pb.GetGalleryRequest(), timeout=DEADLINE)
    found = verify(log)
    assert (len(found.files), found.entries, found.incidents) == (3, 5, [])
