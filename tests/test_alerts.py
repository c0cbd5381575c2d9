"""The alert rules: of metrics that exist, each with a test of its own, and run by promtool."""

import re
import subprocess
from pathlib import Path
from typing import Any

from redis_server import require
from ruamel.yaml import YAML
from tests.server.conftest import Running, gallery, model, running
from tests.server.observe.test_dashboard import exported

from partlens.server.calls.code import Code

FOLDER = Path(__file__).parents[1] / "deploy" / "prometheus"
__all__ = ["gallery", "model", "running"]


def read(name: str) -> Any:
    return YAML(typ="safe", pure=True).load((FOLDER / name).read_text())


def rules() -> list[dict[str, Any]]:
    (group,) = read("alerts.yml")["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [require("promtool"), *arguments],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_each_rule_fires_when_it_should_and_not_before() -> None:
    done = promtool("test", "rules", "alerts_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_never_fires_is_noticed(tmp_path: Path) -> None:
    changed = (
        (FOLDER / "alerts.yml").read_text().replace("_dead_letters) > 0", "_dead_letters) > 9")
    )
    (tmp_path / "alerts.yml").write_text(changed)
    (tmp_path / "alerts_test.yml").write_text((FOLDER / "alerts_test.yml").read_text())
    done = promtool("test", "rules", str(tmp_path / "alerts_test.yml"))
    assert done.returncode != 0 and "PartlensDeadLetters" in done.stdout + done.stderr


def test_prometheus_takes_its_settings_and_the_rules() -> None:
    done = promtool("check", "config", "prometheus.yml")
    assert done.returncode == 0 and "rules found" in done.stdout, done.stdout + done.stderr


def test_every_rule_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    tests = [one for group in read("alerts_test.yml")["tests"] for one in group["alert_rule_test"]]
    firing = {one["alertname"] for one in tests if one.get("exp_alerts")}
    named = [rule["alert"] for rule in rules()]
    assert firing == set(named) and len(set(named)) == len(named) >= 10
    silent = {one["alertname"] for one in tests if not one.get("exp_alerts")}
    waiting = {rule["alert"] for rule in rules() if "rate(" not in rule["expr"]}
    # Rates need no silent case: one series of each test stays below the limit.
    assert waiting - {"PartlensFilesMended"} <= silent


async def test_rules_name_metrics_and_codes_that_exist(running: Running) -> None:
    series = await exported(running)
    for rule in rules():
        names = re.findall(r"\b(?:grpc_server|partlens)_\w+", rule["expr"])
        assert names or rule["expr"].startswith("up{"), rule["alert"]
        assert set(names) <= set(series), rule["alert"]
        for codes in re.findall(r'grpc_code=~?"([^"]*)"', rule["expr"]):
            assert set(codes.split("|")) <= {code.camel for code in Code}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "description"} <= set(rule["annotations"])


def test_the_container_finds_the_rules() -> None:
    compose = YAML(typ="safe", pure=True).load(
        (FOLDER.parents[1] / "docker-compose.yml").read_text()
    )
    mounts = dict(one.split(":")[:2] for one in compose["services"]["prometheus"]["volumes"])
    settings = Path(mounts["./deploy/prometheus/prometheus.yml"])
    for name in read("prometheus.yml")["rule_files"]:
        assert mounts[f"./deploy/prometheus/{name}"] == str(settings.parent / name)
