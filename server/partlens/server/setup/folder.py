"""The folder of a server with TLS and tokens: model, gallery, certificates, settings."""

import json
import secrets
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from partlens.client import address as addresses
from partlens.common.durable import move_into_place, write_atomically
from partlens.explainer.model import MetricModel
from partlens.explainer.starter import model_folder
from partlens.indexer.gallery import Gallery
from partlens.server.access import tokens
from partlens.server.access.token_file import TokenFile
from partlens.server.setup import certificates

HOSTS = ("localhost", "127.0.0.1")
LISTEN = "127.0.0.1:50051"


@dataclass(frozen=True)
class Place:
    """Addresses of the folder's server.

    Attributes:
        given_hosts: names and addresses for the server's certificate, besides HOSTS.
        given_listen: HOST:PORT to listen on; None for what is set, or else LISTEN.
        http_listen: HOST:PORT to serve the page on; None for what is set, or else not at all.
        redis: HOST:PORT of Redis; "" for none.
    """

    given_hosts: Sequence[str] = ()
    given_listen: str | None = None
    http_listen: str | None = None
    redis: str = ""

    @property
    def hosts(self) -> Sequence[str]:
        """All names and addresses, without repetition; workers connect to the first."""
        return tuple(dict.fromkeys((*self.given_hosts, *HOSTS)))

    @property
    def listen(self) -> str:
        """HOST:PORT to listen on."""
        return self.given_listen or LISTEN

    @property
    def addresses(self) -> Sequence[tuple[str, str, str]]:
        """The given addresses to listen on: option, key of its setting in [server], address."""
        given = (
            ("--listen", "listen", self.given_listen),
            ("--http-listen", "http_listen", self.http_listen),
        )
        return [(option, key, text) for option, key, text in given if text]

    def require_addresses(self) -> None:
        """Raise AddressError if a given address cannot be listened on."""
        for _, _, text in self.addresses:
            addresses.parse(text, listening=True)

    @property
    def reached_at(self) -> str:
        """HOST:PORT that workers connect to."""
        return f"{self.hosts[0]}:{self.listen.rpartition(':')[2]}"


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
        """Create what is missing, and yield each step in words once it is done.

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
            yield f"made the model {_copied(model or model_folder(), self.model)}, {self.model}"
        if not self.gallery.exists():
            Gallery.create(self.gallery, MetricModel.load(self.model).spec).close()
            yield f"made an empty gallery, {self.gallery}"
        yield from (f"made {made}" for made in certificates.ensure(self.tls, place.hosts))
        if not self.ingest_token.exists():
            made, text = tokens.create("ingest workers", frozenset(("ingest",)))
            TokenFile(self.tokens).add(made)
            _write(self.ingest_token, text)
            yield f"made a token for ingest workers, {self.ingest_token}"
        given = " ".join(f"{option} {text}" for option, _, text in place.addresses)
        place = self._with_earlier(place)
        for path, content in self._contents(place):
            if not path.exists():
                _write(path, content())
                yield f"made {path}"
            elif given and (now := self._unedited(path, place)) is not None:
                if now != content():
                    _write(path, content())
                    yield f"rewrote {path} for {given}"

    def renew(self, place: Place, *, authority: bool) -> Iterator[str]:
        """Renew the certificate, and yield each step in words once it is done.

        Raises:
            CertificateError: there is no certificate, or a file cannot be read.
            OSError: the folder cannot be written.
        """
        for made in certificates.renew(self.tls, place.given_hosts, authority=authority):
            yield f"made {made}"

    def other_certificate(self) -> str | None:
        """The certificate that the settings name in place of this folder's; None if none."""
        named = _setting(self.settings, "access", "tls_certificate")
        return named if named and Path(named) != self.tls.certificate else None

    def differing(self, place: Place) -> Iterator[str]:
        """What the settings say otherwise than asked, since someone has edited them."""
        for option, key, text in place.addresses:
            now = _setting(self.settings, "server", key)
            if now != text:
                yield (
                    f"{option} {text} was not applied: {self.settings} was edited, and its"
                    f" server.{key} is {now or 'not set'}; change it there"
                )

    def page(self) -> str | None:
        """Address of the page; None if it is not served.

        A server that listens on all interfaces is named as its certificate names it.

        Raises:
            AddressError: the settings name an address that cannot be listened on.
            CertificateError: the server's certificate cannot be read.
        """
        listen = _setting(self.settings, "server", "http_listen")
        if listen is None:
            return None
        address = addresses.parse(listen, listening=True)
        if address.is_this_machine:
            elsewhere = () if address.is_loopback else self._full_names()
            address = replace(address, host=next(iter(elsewhere), "localhost"))
        return f"https://{address}/"

    def _full_names(self) -> Sequence[str]:
        """Names and addresses by which other machines reach the server."""
        return [
            host for host in certificates.all_hosts(self.tls) if "." in host and host not in HOSTS
        ]

    def _with_earlier(self, place: Place) -> Place:
        """With what was given to an earlier run, for whatever is not given now."""
        server = _setting(self.ingest_settings, "ingest", "server")
        hosts = (server.rpartition(":")[0],) if server else ()
        return replace(
            place,
            given_hosts=place.given_hosts or hosts,
            given_listen=place.given_listen or _setting(self.settings, "server", "listen"),
            http_listen=place.http_listen or _setting(self.settings, "server", "http_listen"),
        )

    def _unedited(self, path: Path, place: Place) -> str | None:
        """The text of a settings file, if it is what this wrote for other addresses."""
        if path not in (self.settings, self.ingest_settings):
            return None
        before = replace(
            place,
            given_listen=_setting(self.settings, "server", "listen"),
            http_listen=_setting(self.settings, "server", "http_listen"),
        )
        text = path.read_text(encoding="utf-8").removesuffix("\n")
        written = {file: content for file, content in self._contents(before)}
        return text if path in written and written[path]() == text else None

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
        server: dict[str, object] = {"model": self.model, "gallery": self.gallery}
        server["listen"] = place.listen
        if place.http_listen:
            server["http_listen"] = place.http_listen
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


def _setting(file: Path, section: str, key: str) -> str | None:
    """One setting of a file; None if it has none, or cannot be read."""
    try:
        value = tomllib.loads(file.read_text(encoding="utf-8"))[section][key]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return value if isinstance(value, str) else None


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
