"""Commands that need no model import none of what a model needs, so that they answer at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis_server import RedisServer, free_port

from partlens.server.audit.chain import Head, encoded, line

HEAVY = ("torch", "faiss", "lance", "onnx", "onnxruntime", "pyarrow", "scipy")
LIGHT = [
    "token", "token create", "token list", "token revoke", "config", "config show", "config docs",
    "audit", "audit verify", "health", "search", "explain", "standing", "standing watch", "setup",
    "open", "ingest", "ingest run", "ingest status", "ingest dead list", "ingest dead retry",
    "bridge frigate", "doctor",
]  # fmt: skip
CODE = f"""
import sys
from partlens.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command; fails if it has imported anything heavy."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.stderr.splitlines()[-1] == "[]", done.stderr
    return done


@pytest.mark.parametrize("command", LIGHT)
def test_help_imports_nothing_heavy(command: str) -> None:
    done = run(*command.split(), "--help")
    assert done.returncode == 0 and f"Usage: -c {command} " in done.stdout


def test_tokens_are_made_and_listed(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    assert run("token", "create", "gate", "--scope", "search", "--tokens", file).returncode == 0
    assert '"name": "gate"' in run("token", "list", "--json", "--tokens", file).stdout


def test_settings_are_shown() -> None:
    done = run("config", "show", PARTLENS__SERVER__DEVICE="cuda")
    assert 'device = "cuda"  # environment' in done.stdout


def test_an_audit_log_is_verified(tmp_path: Path) -> None:
    text, head = line(encoded({"method": "SearchRegions"}), Head())
    (tmp_path / "log").write_bytes(text)
    assert f"head 1:{head.hash}" in run("audit", "verify", tmp_path / "log").stdout


def test_the_ingest_stream_is_looked_at(redis_server: RedisServer) -> None:
    settings = {f"PARTLENS__REDIS__{key.upper()}": str(v) for key, v in redis_server.values.items()}
    assert '"waiting": 0' in run("ingest", "status", "--json", **settings).stdout


@pytest.mark.parametrize(
    "command", [("health", "--wait", "0.2"), ("search", "--gallery-id", "a", "--region", "0,0,5,5")]
)
def test_a_server_that_is_not_there_is_asked(command: tuple[str, ...]) -> None:
    done = run(*command, "--server", f"127.0.0.1:{free_port()}")
    assert done.returncode == 3 and "nothing listens on this port" in done.stderr
