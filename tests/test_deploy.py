"""The container files: valid, locked, and of commands and files that exist."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from ruamel.yaml import YAML

from partlens.cli.main import main
from partlens.runtime.config.settings import from_texts, load

ROOT = Path(__file__).parents[1]
COMPOSE, DOCKERFILE = ROOT / "docker-compose.yml", ROOT / "Dockerfile"
OURS = ("setup", "server", "server-gpu", "ingest", "bridge")
SCRIPT = ROOT / "deploy" / "ray" / "serve-on-ray"
NODES = ("ray-head", "ray-worker-1", "ray-worker-2", "server-ray")


def read(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text())


@pytest.fixture(scope="module")
def services() -> Mapping[str, Any]:
    found: Mapping[str, Any] = read(COMPOSE)["services"]
    return found


def test_it_is_of_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def words(text: str | list[str]) -> list[str]:
    return shlex.split(text) if isinstance(text, str) else list(text)


def require_command(given: list[str]) -> None:
    """That the click command exists and takes these options; it is not run."""
    command: click.Command = main
    name = ["partlens"]
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), given[0])
        assert found is not None, given
        command, given = found, given[1:]
        name.append(str(command.name))
    context = command.make_context(" ".join(name), list(given), resilient_parsing=False)
    for text in context.params.get("texts", ()):
        load(from_texts([text]))


def commands(services: Mapping[str, Any]) -> Iterator[list[str]]:
    for name in OURS:
        yield words(services[name]["command"])
        check = services[name].get("healthcheck", {}).get("test")
        if check:
            assert check[:2] == ["CMD", "partlens"]
            yield check[2:]
    (text,) = services["setup-ray"]["command"]
    yield from map(words, re.findall(r"exec partlens (.*)", text))
    yield served_on_ray(services["server-ray"]["command"])
    text = re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text())
    for line in re.findall(r"^(?:HEALTHCHECK .*)?CMD (\[.*\])$", text, re.MULTILINE):
        given = [str(word) for word in read_inline(line)]
        yield given[1:] if given[0] == "partlens" else given


def served_on_ray(arguments: list[str]) -> list[str]:
    """The command of partlens that the script serve-on-ray runs."""
    (line,) = re.findall(r"^partlens (.*) &$", SCRIPT.read_text(), re.MULTILINE)
    head, *rest = arguments
    given = shlex.split(line)
    return [*given[: given.index("$head")], head, *rest]


def read_inline(text: str) -> list[Any]:
    found: list[Any] = YAML(typ="safe", pure=True).load(text)
    return found


def test_every_command_of_ours_exists(services: Mapping[str, Any]) -> None:
    all_of_them = list(commands(services))
    assert len(all_of_them) >= 7
    for given in all_of_them:
        require_command(given)


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for wrong in (["serf"], ["serve", "--sett", "a.b=1"], ["ingest", "go"]):
        with pytest.raises((AssertionError, click.UsageError)):
            require_command(wrong)


def test_every_file_that_is_copied_or_mounted_is_there(services: Mapping[str, Any]) -> None:
    sources = [
        word
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE.read_text(), re.MULTILINE)
        for word in line.split()[:-1]
    ]
    mounts = [
        mount.partition(":")[0] for one in services.values() for mount in one.get("volumes", [])
    ]
    sources += [mount for mount in mounts if mount.startswith(".")]
    assert len(sources) >= 6
    assert [source for source in sources if not (ROOT / source).exists()] == []
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"]
    copied = {source for source in sources if not source.startswith(".")}
    assert copied <= set(kept) and all((ROOT / name).exists() for name in kept if "*" not in name)


def test_nothing_is_open_or_runs_as_root(services: Mapping[str, Any]) -> None:
    for name, one in services.items():
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", [])), name
        assert one["cap_drop"] == ["ALL"] and not one.get("privileged"), name
        assert "no-new-privileges:true" in one["security_opt"], name
        assert re.search(r":[\w.-]*\d", one["image"]) and not one["image"].endswith("latest"), name
        assert "--insecure" not in words(one.get("command", "")), name
        secrets = [key for key in one.get("environment", {}) if re.search("PASSWORD|TOKEN", key)]
        assert all(key.endswith(("__FILE", "_PATH")) for key in secrets), name
    for name in (*OURS, *NODES, "setup-ray", "redis"):
        assert services[name]["user"] == "10001:10001" and services[name]["read_only"] is True
    assert "USER 10001:10001" in DOCKERFILE.read_text()


def test_the_page_is_served_from_a_published_port(services: Mapping[str, Any]) -> None:
    made = words(services["setup"]["command"])
    listening = {made[made.index(option) + 1] for option in ("--listen", "--http-listen")}
    assert listening == {"0.0.0.0:50051", "0.0.0.0:8443"}
    ports = {address.rpartition(":")[2] for address in listening}
    published = [one.split(":") for one in services["server"]["ports"]]
    assert {host for host, _, _ in published} == {"127.0.0.1"}
    assert (
        {inside for _, _, inside in published} == {outside for _, outside, _ in published} == ports
    )
    (exposed,) = re.findall(r"^EXPOSE (.*)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert set(exposed.split()) == ports


def test_every_volume_has_a_name_and_only_the_server_sees_its_keys(
    services: Mapping[str, Any],
) -> None:
    named = set(read(COMPOSE)["volumes"])
    users: dict[str, set[str]] = {}
    for name, one in services.items():
        for mount in one.get("volumes", []):
            if not mount.startswith("."):
                users.setdefault(mount.partition(":")[0], set()).add(name)
    assert set(users) == named
    assert users["partlens"] == {"setup", "server", "server-gpu", "setup-ray", "server-ray"}
    assert users["ray"] == {"setup-ray", *NODES}
    for name in ("ray-worker-1", "ray-worker-2"):
        assert "shared:/shared:ro" in services[name]["volumes"]
    scratch = {name: users[name] for name in users if name.startswith("scratch")}
    assert scratch == {"scratch-1": {"ray-worker-1"}, "scratch-2": {"ray-worker-2"}}


def test_prometheus_asks_every_service_that_has_metrics(services: Mapping[str, Any]) -> None:
    job, ray = read(ROOT / "deploy/prometheus/prometheus.yml")["scrape_configs"]
    asked = {target for one in job["static_configs"] for target in one["targets"]}
    serving = {
        f"{name}:{word.rpartition(':')[2]}"
        for name, one in services.items()
        for word in words(one.get("command", ""))
        if word.startswith("observe.metrics_listen=") and one.get("profiles") != ["gpu"]
    }
    assert asked == serving and len(asked) == 3
    (found,) = ray["dns_sd_configs"]
    assert found == {"names": list(NODES), "type": "A", "port": 8080}


def test_every_ray_node_asks_for_the_token_and_exports_metrics(services: Mapping[str, Any]) -> None:
    for name in NODES:
        one = services[name]
        assert one["environment"]["RAY_AUTH_MODE"] == "token"
        assert one["environment"]["RAY_AUTH_TOKEN_PATH"] == "/ray/token"
        assert "ray:/ray:ro" in one["volumes"] and one["mem_limit"] and one["shm_size"]
        given = set(words(one["command"]))
        if name == "server-ray":
            assert one["entrypoint"] == [SCRIPT.name]
            given = node_options()
        assert "--metrics-export-port=8080" in given
        assert {option.split("=")[0] for option in given} <= start_options()
        assert "ports" not in one or name == "server-ray"


def node_options() -> set[str]:
    """What the script serve-on-ray gives to `ray start`."""
    (line,) = re.findall(r"^ray start (.*) &$", SCRIPT.read_text(), re.MULTILINE)
    return set(shlex.split(line))


def start_options() -> set[str]:
    """The options of `ray start`."""
    pytest.importorskip("ray")
    from ray.scripts.scripts import start

    return {name for each in start.params for name in each.opts}


def test_grafana_finds_its_dashboard_and_its_source(services: Mapping[str, Any]) -> None:
    mounts = dict(mount.split(":")[:2] for mount in services["grafana"]["volumes"])
    folder = ROOT / "deploy/grafana/provisioning"
    (provider,) = read(folder / "dashboards/partlens.yml")["providers"]
    assert mounts["./deploy/grafana/partlens.json"].startswith(provider["options"]["path"] + "/")
    (source,) = read(folder / "datasources/prometheus.yml")["datasources"]
    assert source["type"] == "prometheus" and source["url"] == "http://prometheus:9090"
    assert "prometheus" in services


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_units_and_finds_them_locked(tmp_path: Path) -> None:
    units = sorted((ROOT / "deploy/systemd").iterdir())
    assert {one.suffix for one in units} == {".service", ".timer"}
    for unit in units:
        # systemd checks that the program exists.
        text = unit.read_text().replace("/opt/partlens/bin/partlens", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    command = ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20"]
    command.append(str(tmp_path / "partlens.service"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-200:]


def test_every_command_of_the_units_exists() -> None:
    texts = [one.read_text() for one in (ROOT / "deploy/systemd").iterdir()]
    found = re.findall(r"^ExecStart=/opt/partlens/bin/partlens (.*)$", "\n".join(texts), re.M)
    assert len(found) == 2
    for line in found:
        require_command(shlex.split(line))
