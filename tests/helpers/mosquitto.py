"""A real mosquitto on a free loopback port, which can be killed and restarted."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme
from killable import DEADLINE, Killable, running
from redis_server import free_port, require

USER, PASSWORD = "bridge", "hidden"


class Mosquitto(Killable):
    """Keeps sessions on disk; accepts one user with a password."""

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        super().__init__()
        # Debian installs it outside the usual PATH.
        os.environ["PATH"] = f"{os.environ['PATH']}:/usr/sbin"
        program = require("mosquitto")
        folder.mkdir(parents=True)
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        maker = require("mosquitto_passwd")
        subprocess.run([maker, "-b", str(passwords), USER, PASSWORD], check=True, timeout=DEADLINE)
        (folder / "password").write_text(f"{PASSWORD}\n")
        self.port = free_port()
        lines = [f"listener {self.port} 127.0.0.1", f"password_file {passwords}"]
        lines += ["allow_anonymous false", "persistence true", f"persistence_location {folder}/"]
        # Write to disk immediately, and keep the user of the test.
        lines += ["autosave_on_changes true", "autosave_interval 1", "user root"]
        self.values: dict[str, object] = {
            "mqtt": f"127.0.0.1:{self.port}",
            "mqtt_user": USER,
            "mqtt_password_file": folder / "password",
        }
        if tls:
            authority = trustme.CA()
            authority.cert_pem.write_to_path(str(folder / "ca.pem"))
            mine = authority.issue_cert("127.0.0.1", "localhost")
            mine.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
            mine.private_key_pem.write_to_path(str(folder / "key.pem"))
            lines += [f"certfile {folder}/cert.pem", f"keyfile {folder}/key.pem"]
            self.values["mqtt_ca"] = folder / "ca.pem"
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self._command = [program, "-c", str(folder / "mosquitto.conf")]
        self._log = folder / "log"

    def start(self) -> None:
        """Start the broker; returns once it listens."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        end = time.monotonic() + DEADLINE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None, self._log.read_text()
                assert time.monotonic() < end, self._log.read_text()
                time.sleep(0.02)


@contextmanager
def running_mosquitto(folder: Path, *, tls: bool = False) -> Iterator[Mosquitto]:
    """A broker that runs until the end of the context."""
    with running(Mosquitto(folder, tls=tls)) as broker:
        yield broker
