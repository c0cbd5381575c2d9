"""What `partlens setup` makes is a server that works, and that lets nobody in without a token."""

import hashlib
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509

from partlens.client import AccessError, Client, Credentials
from partlens.runtime.config.settings import load
from partlens.server.access.token_file import TokenFile
from partlens.server.setup.cli import setup

DEADLINE = 60.0


def prepare(folder: Path, *options: str) -> str:
    result = CliRunner().invoke(setup, [str(folder), *options])
    assert result.exit_code == 0, result.output
    return result.output


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of `partlens serve` with the settings of the folder."""
    address, log, settings = folder / "address", folder / "log", folder / "partlens.toml"
    command = [sys.executable, "-m", "partlens.cli", "serve", "--config", str(settings)]
    command += ["--listen", "localhost:0", "--address-file", str(address)]
    with log.open("w") as opened, subprocess.Popen(command, stderr=opened) as process:
        try:
            end = time.monotonic() + DEADLINE
            while not address.exists():
                assert process.poll() is None and time.monotonic() < end, log.read_text()
                time.sleep(0.05)
            yield address.read_text().strip()
        finally:
            process.terminate()
            process.wait(DEADLINE)


def test_the_server_serves_and_lets_nobody_in_without_a_token(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    assert "token create NAME" in prepare(folder)
    ca = (folder / "clients" / "ca.pem").read_bytes()
    with served(folder) as address:
        with Client(address, credentials=Credentials(ca=ca)) as stranger:
            stranger.wait_until_ready(DEADLINE)
            with pytest.raises(AccessError):
                stranger.get_gallery()
        token = (folder / "clients" / "ingest.token").read_text().strip()
        with Client(address, credentials=Credentials(token=token, ca=ca)) as worker:
            worker.wait_until_ready(DEADLINE)
            assert [token.name for token in TokenFile(folder / "tokens.json").read().values()] == [
                "ingest workers"
            ]


def test_the_authority_can_be_compared(tmp_path: Path) -> None:
    output = prepare(tmp_path / "folder")
    pem = (tmp_path / "folder/clients/ca.pem").read_text()
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    assert ":".join(digest[i : i + 2] for i in range(0, 64, 2)) in output


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    prepare(folder, "--redis", "redis:6379")
    before = contents(folder)
    (folder / "partlens.toml").write_text("# mine\n")
    assert "made" not in prepare(folder, "--redis", "redis:6379")
    after = contents(folder)
    assert after.pop(Path("partlens.toml")) == b"# mine\n"
    before.pop(Path("partlens.toml"))
    assert after == before


def test_both_settings_are_valid_and_name_the_same_redis(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    prepare(folder, "--redis", "redis:6379", "--host", "search", "--listen", "0.0.0.0:7000")
    server = load(file=folder / "partlens.toml").settings
    workers = load(file=folder / "clients" / "ingest.toml").settings
    assert server.redis == workers.redis and server.redis.url == "redis://redis:6379/0"
    assert workers.ingest.server == "search:7000" and server.server.listen == "0.0.0.0:7000"
    password = (folder / "clients" / "redis.password").read_text().strip()
    assert f"requirepass {password}\n" in (folder / "clients" / "redis.conf").read_text()
    assert len(password) >= 32
    for path in folder.rglob("*"):
        if path.suffix in (".password", ".token", ".conf", ".key"):
            assert path.stat().st_mode & 0o077 == 0, path


def contents(folder: Path) -> dict[Path, bytes]:
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("stopped_after", [0, 2, 4, 6, 8])
def test_it_can_be_run_again_after_it_was_killed(tmp_path: Path, stopped_after: int) -> None:
    """It is killed while it tells of the thing it has just made."""
    folder = tmp_path / "server"
    command = [sys.executable, "-u", "-c", "from partlens.server.setup.cli import setup; setup()"]
    with subprocess.Popen(
        [*command, str(folder), "--redis", "redis:6379"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(stopped_after):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    prepare(folder, "--redis", "redis:6379")
    whole = tmp_path / "whole"
    prepare(whole, "--redis", "redis:6379")

    def names(root: Path) -> set[str]:
        return {
            str(path.relative_to(root)) for path in root.rglob("*") if "gallery" not in path.parts
        }

    assert names(folder) >= names(whole)
    load(file=folder / "partlens.toml")


def test_a_model_that_is_none_and_a_folder_that_is_a_file_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(setup, [str(tmp_path / "a"), "--model", str(tmp_path)])
    assert result.exit_code == 1 and "model.json" in result.output
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(setup, [str(tmp_path / "file" / "b")])
    assert result.exit_code == 1 and "cannot be written" in result.output


def test_a_host_that_was_given_before_stays_in_the_certificate(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    prepare(folder)
    for options in (("--host", "search.example.org"), ()):
        prepare(folder, *options)
        names = x509.load_pem_x509_certificate(
            (folder / "tls" / "server.pem").read_bytes()
        ).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        found = names.value.get_values_for_type(x509.DNSName)
        assert set(found) == {"localhost", "search.example.org"}
        assert len(names.value.get_values_for_type(x509.IPAddress)) == 1


def test_another_listen_is_applied_or_it_says_that_it_was_not(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    settings, workers = folder / "partlens.toml", folder / "clients" / "ingest.toml"
    prepare(folder, "--redis", "redis:6379", "--host", "search")
    prepare(folder, "--redis", "redis:6379")
    assert load(file=settings).settings.server.listen == "127.0.0.1:50051"
    for _ in range(2):
        assert "warning" not in prepare(folder, "--redis", "redis:6379", "--listen", "0.0.0.0:7000")
        assert load(file=settings).settings.server.listen == "0.0.0.0:7000"
        assert load(file=workers).settings.ingest.server == "search:7000"
    edited = settings.read_text().replace("[access]", "# mine\n[access]")
    settings.write_text(edited)
    output = prepare(folder, "--redis", "redis:6379", "--listen", "0.0.0.0:8000")
    assert "warning: --listen 0.0.0.0:8000 was not applied" in output and "7000" in output
    assert settings.read_text() == edited


def test_the_page_is_served_where_it_is_said_and_keeps_the_other_address(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    settings = folder / "partlens.toml"
    assert "The page is at" not in prepare(folder, "--listen", "0.0.0.0:7000")
    for listen, page in (("0.0.0.0:8443", "localhost:8443"), ("10.0.0.5:9000", "10.0.0.5:9000")):
        output = prepare(folder, "--http-listen", listen)
        assert f"rewrote {settings} for --http-listen {listen}" in output
        assert f"partlens serve --config {settings}" in output
        assert f"https://{page}/" in output and "token create NAME --scope search" in output
        server = load(file=settings).settings.server
        assert (server.listen, server.http_listen) == ("0.0.0.0:7000", listen)
    assert "10.0.0.5:9000" in prepare(folder)
    settings.write_text(settings.read_text() + "\n# mine\n")
    output = prepare(folder, "--http-listen", "127.0.0.1:1234")
    assert "warning: --http-listen 127.0.0.1:1234 was not applied" in output
    assert "server.http_listen is 10.0.0.5:9000" in output


def test_the_page_has_the_name_by_which_others_reach_it(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    listening = ("--http-listen", "0.0.0.0:8443")
    assert "https://localhost:8443/" in prepare(folder, *listening, "--host", "server")
    for given in (("--host", "search.example.org"), ()):
        assert "https://search.example.org:8443/" in prepare(folder, *given)
    assert "https://localhost:9000/" in prepare(folder, "--http-listen", "127.0.0.1:9000")


def test_an_address_that_is_none_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    for option in ("--listen", "--http-listen"):
        result = CliRunner().invoke(setup, [str(tmp_path / "a"), option, "localhost"])
        assert result.exit_code == 1 and "has no port" in result.output
    assert not (tmp_path / "a").exists()
