"""Checks what a server with these settings would use: devices, files, disk, Redis, the clock."""

import ctypes
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import redis
import torch

from partlens.common.bucket_address import Place
from partlens.common.compute import cores
from partlens.explainer.errors import ExplainerError
from partlens.explainer.model import MetricModel, read_spec
from partlens.explainer.onnx_runtime import providers
from partlens.indexer.errors import IndexerError
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.scrub_record import ScrubRecord
from partlens.indexer.gallery.scrub_record import beside as beside_gallery
from partlens.runtime.config.sections import RedisSection, ShardsSection
from partlens.runtime.config.settings import Settings
from partlens.runtime.errors import ProgramError
from partlens.runtime.redis_connection import connect_blocking
from partlens.runtime.secret_files import readable_by_others
from partlens.server.access.certificates import Certificates, certificates
from partlens.server.access.token_file import TokenFile
from partlens.server.audit.log import beside
from partlens.server.audit.verification import verify
from partlens.server.choosing import ChosenGalleries, chosen_galleries
from partlens.server.doctor.trial import Trial
from partlens.server.galleries.aliases import AliasFile
from partlens.server.shards.authentication import (
    require_token_asked,
    require_token_right,
    require_token_set,
)

_LEAST_FREE = 2**30
_MOST_SKEW = 2.0
_SHOWN = 5
_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)


def trials(settings: Settings) -> Mapping[str, Trial]:
    """Every trial by name, except those for settings that are not given."""
    made = {}
    for name, trial in _wanted(settings):
        try:
            made[name] = trial()
        except (ExplainerError, IndexerError, ProgramError, OSError, redis.RedisError) as error:
            made[name] = Trial("cannot be used", f"{name}: {error}")
    return made


def _wanted(settings: Settings) -> Iterator[tuple[str, Callable[[], Trial]]]:
    server = settings.server
    tls, token_file = certificates(settings.access), settings.access.tokens
    yield "devices", try_devices
    yield "clock", try_clock
    if server.gallery or server.galleries:
        yield from _of_galleries(settings, chosen_galleries(settings, need_models=False))
    elif server.model:
        yield "model", partial(try_model, server.model)
    if settings.server.originals:
        yield "originals", lambda: try_originals(settings.server.originals)
    if tls:
        yield "certificate", partial(try_certificate, tls)
    if token_file:
        yield "tokens", lambda: try_tokens(token_file)
    yield "secrets", lambda: try_secrets(settings)
    if settings.redis.url:
        yield "redis", lambda: try_redis(settings.redis)
    if settings.shards.kind == "ray" and settings.shards.address not in (None, "auto"):
        yield "shards", lambda: try_cluster(settings.shards)


def _of_galleries(
    settings: Settings, chosen: ChosenGalleries
) -> Iterator[tuple[str, Callable[[], Trial]]]:
    for model in dict.fromkeys(one.model for one in chosen.by_name.values() if one.model):
        yield (
            "model" if settings.server.model == model else f"model {model}",
            partial(try_model, model),
        )
    for name, one in chosen.by_name.items():
        of = "" if chosen.aliases is None else f" {name}"
        yield f"gallery{of}", partial(try_gallery, one.place, one.model)
        yield f"files{of}", partial(try_files, one.path)
        yield f"disk{of}", partial(try_disk, one.path)
    log = settings.access.audit_log or beside(chosen.default.path.resolve())
    yield "audit log", partial(try_audit_log, log)
    if chosen.aliases is not None:
        yield "aliases", partial(try_aliases, chosen)


def try_model(folder: Path) -> Trial:
    """Loads a model."""
    return Trial(MetricModel.load(folder).spec.digest)


def try_aliases(chosen: ChosenGalleries) -> Trial:
    """Whether every alias leads to a gallery that is served.

    Raises:
        AliasError: the file cannot be read.
    """
    aliases = AliasFile(chosen.aliases).read() if chosen.aliases else {}
    lost = [name for name, alias in aliases.items() if alias.gallery not in chosen.by_name]
    problems = [
        f"alias {name} leads to {aliases[name].gallery}, which is not in server.galleries"
        for name in lost
    ]
    return Trial(f"{len(aliases)} aliases", "; ".join(problems))


def try_devices() -> Trial:
    """Cores, GPUs, and the providers of ONNX Runtime."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    runs_on = ", ".join(providers())
    return Trial(f"{cores()} cores, GPUs: {', '.join(gpus) or 'none'}; ONNX Runtime: {runs_on}")


def try_gallery(place: Place, model: Path | None) -> Trial:
    """Opens the gallery with the model that will serve it.

    Raises:
        IndexerError, ExplainerError: the gallery or the model cannot be opened.
    """
    with Gallery.open(place, read_spec(model) if model else None) as gallery:
        finding = (
            f"{len(gallery.view)} images at version {gallery.view.number}, of model"
            f" {gallery.spec.digest}"
        )
        return Trial(finding, "; ".join(f"gallery: {one}" for one in gallery.damage))


def try_files(folder: Path) -> Trial:
    """Results of the server's background scan of the gallery's files."""
    record = ScrubRecord.read(beside_gallery(folder.resolve()))
    if record.last is None or record.last.ended is None:
        finding = "no server has scanned them all yet"
    else:
        at = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(record.last.ended))
        finding = f"a server finished scanning all {record.last.files} of them at {at}"
        if record.last.unchecked:
            finding += f", {record.last.unchecked} without a checksum"
    damaged = [f"files: {one}" for one in record.findings.values()]
    more = [f"and {len(damaged) - _SHOWN} more"] if damaged[_SHOWN:] else []
    return Trial(finding, "; ".join([*damaged[:_SHOWN], *more]))


def try_disk(folder: Path) -> Trial:
    """Whether there is enough free space."""
    usage = shutil.disk_usage(folder)
    finding = f"{usage.free / 2**30:.1f} of {usage.total / 2**30:.1f} GiB free"
    if usage.free >= _LEAST_FREE:
        return Trial(finding)
    return Trial(finding, f"less than 1 GiB is free on the disk of {folder}; free some space")


def try_originals(folders: Sequence[Path]) -> Trial:
    """Whether the folders of the originals can be entered."""
    closed = [one for one in folders if not (one.is_dir() and os.access(one, os.X_OK))]
    problems = [f"originals: {folder} is not a folder that can be entered" for folder in closed]
    return Trial(f"{len(folders) - len(closed)} of {len(folders)} folders", "; ".join(problems))


def try_audit_log(log: Path) -> Trial:
    """Verifies the whole chain.

    Raises:
        AuditError: the chain is broken.
    """
    if not log.exists():
        return Trial(f"none yet at {log}")
    found = verify(log)
    finding = f"{found.entries} entries, the chain holds"
    return Trial(finding, "; ".join(f"audit log: {one}" for one in found.incidents[:_SHOWN]))


def try_certificate(certificates: Certificates) -> Trial:
    """Whether the certificate can be used, and for how long.

    Raises:
        CertificateError: it cannot be used.
    """
    trouble = certificates.look()
    finding = f"can be used, expires {certificates.expires:%Y-%m-%d}"
    return Trial(finding, f"certificate: {trouble}" if trouble else "")


def try_tokens(file: Path) -> Trial:
    """Reads the token file.

    Raises:
        TokenFileError: it cannot be read.
    """
    count = len(TokenFile(file).read())
    return Trial(f"{count} tokens" if file.exists() else f"{count} tokens: {file} does not exist")


def try_secrets(settings: Settings) -> Trial:
    """Whether only their owner, and perhaps a group, can read the files of secrets."""
    access, bridge = settings.access, settings.bridge
    named = (
        access.tokens, access.tls_key, settings.redis.password_file, settings.redis.key,
        settings.standing.webhook_secret_file, settings.ingest.token_file, settings.ingest.key,
        bridge.mqtt_password_file, bridge.mqtt_key, bridge.frigate_token_file,
    )  # fmt: skip
    files = [file for file in named if file is not None]
    wrong = [f"secrets: {problem}" for file in files if (problem := readable_by_others(file))]
    return Trial(f"{len(files) - len(wrong)} of {len(files)} files are private", "; ".join(wrong))


def try_redis(settings: RedisSection) -> Trial:
    """Whether Redis answers, and its clock agrees with this machine's.

    Raises:
        RedisError, OSError: Redis does not answer.
        SettingsError: a file named in the settings cannot be read.
    """
    with connect_blocking(settings) as client:
        version = client.info("server")["redis_version"]
        seconds, microseconds = client.time()
    skew = abs(time.time() - (seconds + microseconds / 1e6))
    finding = f"answers, version {version}"
    if skew <= _MOST_SKEW:
        return Trial(finding)
    return Trial(finding, f"the clocks of Redis and of this machine are {skew:.0f} s apart")


def try_cluster(settings: ShardsSection) -> Trial:
    """Whether the head of the shards' cluster takes this machine's token, and no caller without.

    Raises:
        SettingsError: it does not.
    """
    address = settings.address or ""
    require_token_set(settings)
    require_token_right(address)
    require_token_asked(address, settings)
    return Trial(
        "the cluster answers, and asks for its token"
        if not settings.unauthenticated
        else "the cluster answers"
    )


def try_clock() -> Trial:
    """The time, and whether the kernel synchronises its clock (known only on Linux)."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    if not sys.platform.startswith("linux"):
        return Trial(now)
    # All zeros: reads the state and changes nothing. The struct has 208 bytes.
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    synchronised = "not synchronised" if state == _UNSYNCHRONISED else "synchronised"
    return Trial(f"{now}, {synchronised if state >= 0 else 'synchronisation unknown'}")
