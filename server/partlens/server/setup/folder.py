"""The folder of a server with TLS and tokens: model, gallery, certificates, settings."""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from partlens.common.durable import move_into_place, write_atomically
from partlens.explainer.model import MetricModel
from partlens.explainer.starter import model_folder
from partlens.indexer.gallery import Gallery
from partlens.server.access import tokens
from partlens.server.access.token_file import TokenFile
from partlens.server.setup import certificates


@dataclass(frozen=True)
class Place:
    """Addresses of the folder's server.

    Attributes:
        hosts: names and addresses for the server's certificate.
        listen: HOST:PORT to listen on.
        reached_at: HOST:PORT that workers connect to.
        redis: HOST:PORT of Redis; "" for none.
    """

    hosts: Sequence[str]
    listen: str
    reached_at: str
    redis: str = ""


@dataclass(frozen=True)
class ServerFolder:
    """Everything that a server needs, in one folder. Existing files are kept."""

    path: Path

    @property
    def model(self) -> Path:
        """The model folder."""
        return self.path / "model"

    @property
    def gallery(self) -> Path:
        """The gallery folder."""
        return self.path / "gallery"

    @property
    def tokens(self) -> Path:
        """The token file."""
        return self.path / "tokens.json"

    @property
    def settings(self) -> Path:
        """The settings of the server."""
        return self.path / "partlens.toml"

    @property
    def clients(self) -> Path:
        """Files for other programs; nothing that only the server may read."""
        return self.path / "clients"

    @property
    def tls(self) -> certificates.Files:
        """The certificates."""
        return certificates.Files(self.path / "tls", self.clients / "ca.pem")

    @property
    def ingest_token(self) -> Path:
        """The token of the workers."""
        return self.clients / "ingest.token"

    @property
    def ingest_settings(self) -> Path:
        """The settings of the workers."""
        return self.clients / "ingest.toml"

    @property
    def redis_settings(self) -> Path:
        """The configuration file of redis-server; it holds the password."""
        return self.clients / "redis.conf"

    @property
    def redis_password(self) -> Path:
        """The file that holds only the Redis password."""
        return self.clients / "redis.password"

    @property
    def grafana_password(self) -> Path:
        """The password of Grafana's user admin."""
        return self.clients / "grafana.password"

    def prepare(self, place: Place, model: Path | None = None) -> Iterator[str]:
        """Create what is missing, and yield the name of each item once it exists.

        If this is killed, run it again.

        Args:
            model: folder of the model to copy; None for the starter model.

        Raises:
            ExplainerError, IndexerError: a model or a gallery that cannot be used.
            ServerError: certificates or tokens that cannot be read.
            OSError: the folder cannot be written.
        """
        for folder in (self.path, self.clients):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.model.exists():
            yield f"the model {_copied(model or model_folder(), self.model)}, {self.model}"
        if not self.gallery.exists():
            Gallery.create(self.gallery, MetricModel.load(self.model).spec).close()
            yield f"an empty gallery, {self.gallery}"
        yield from certificates.ensure(self.tls, place.hosts)
        if not self.ingest_token.exists():
            made, text = tokens.create("ingest workers", frozenset(("ingest",)))
            TokenFile(self.tokens).add(made)
            _write(self.ingest_token, text)
            yield f"a token for ingest workers, {self.ingest_token}"
        for path, content in self._contents(place):
            if not path.exists():
                _write(path, content())
                yield str(path)

    def _contents(self, place: Place) -> Iterator[tuple[Path, Callable[[], str]]]:
        """Each file, and the content to write if it is missing; the settings last."""
        yield self.grafana_password, lambda: secrets.token_urlsafe(16)
        redis = {}
        if place.redis:
            url = f"redis://{place.redis}/0"
            redis = {"redis": {"url": url, "password_file": self.redis_password}}
            yield self.redis_password, lambda: secrets.token_urlsafe(32)
            yield self.redis_settings, self._redis_settings
            ingest = {
                "server": place.reached_at,
                "ca": self.tls.authority,
                "token_file": self.ingest_token,
            }
            yield self.ingest_settings, lambda: _toml({"ingest": ingest, **redis})
        server = {"model": self.model, "gallery": self.gallery, "listen": place.listen}
        access = {
            "tls_certificate": self.tls.certificate,
            "tls_key": self.tls.key,
            "tokens": self.tokens,
        }
        yield self.settings, lambda: _toml({"server": server, "access": access, **redis})

    def _redis_settings(self) -> str:
        password = self.redis_password.read_text(encoding="utf-8").strip()
        # Entries that were acknowledged to a producer survive a power cut.
        return f"requirepass {password}\nappendonly yes\nappendfsync always"


def _toml(sections: Mapping[str, Mapping[str, object]]) -> str:
    lines = ["# What each setting means: `partlens config docs`."]
    for section, values in sections.items():
        lines += ["", f"[{section}]"]
        # A JSON string is valid TOML.
        lines += [f"{key} = {json.dumps(str(value))}" for key, value in values.items()]
    return "\n".join(lines)


def _write(path: Path, text: str) -> None:
    write_atomically(path, text + "\n", mode=0o600)


def _copied(source: Path, target: Path) -> str:
    """Copies a model folder atomically; returns the model's name."""
    name = MetricModel.load(source).spec.name
    draft = target.with_name(f".{target.name}")
    shutil.rmtree(draft, ignore_errors=True)  # of a run that was killed
    shutil.copytree(source, draft)
    move_into_place(draft, target)
    return name
