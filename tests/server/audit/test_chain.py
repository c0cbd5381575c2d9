"""The chain: any change to what is written shows, and names its line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partlens.server.audit.chain import GENESIS, line, verify
from partlens.server.audit.cli import audit
from partlens.server.errors import AuditError


def write(path: Path, count: int) -> list[bytes]:
    lines, head = [], GENESIS
    for i in range(count):
        text, head = line({"method": "SearchRegions", "hits": i, "name": "wärter\n"}, head)
        lines.append(text)
    path.write_bytes(b"".join(lines))
    return lines


def test_a_log_as_it_was_written_holds(tmp_path: Path) -> None:
    lines = write(tmp_path / "log", 5)
    found = verify(tmp_path / "log")
    assert (found.entries, found.torn_bytes) == (5, 0)
    assert found.head == json.loads(lines[-1])["hash"]
    assert verify(tmp_path / "log", (3, json.loads(lines[2])["hash"])) == found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_any_changed_byte_is_an_error_that_names_its_line(
    tmp_path: Path, data: st.DataObject
) -> None:
    lines = write(tmp_path / "log", 4)
    number = data.draw(st.integers(0, 3))
    at = data.draw(st.integers(0, len(lines[number]) - 2))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b not in (lines[number][at], 10)))
    changed = bytearray(lines[number])
    changed[at] = byte
    (tmp_path / "log").write_bytes(b"".join([*lines[:number], changed, *lines[number + 1 :]]))
    with pytest.raises(AuditError, match=f"line {number + 1}:"):
        verify(tmp_path / "log")


@pytest.mark.parametrize(
    ("kept", "line_number"),
    [([0, 2, 3], 2), ([1, 2, 3], 1), ([0, 2, 1, 3], 2), ([0, 1, 1, 2, 3], 3)],
)
def test_lines_taken_out_moved_or_doubled_are_seen(
    tmp_path: Path, kept: list[int], line_number: int
) -> None:
    lines = write(tmp_path / "log", 4)
    (tmp_path / "log").write_bytes(b"".join(lines[i] for i in kept))
    with pytest.raises(AuditError, match=f"line {line_number}: the hash does not match"):
        verify(tmp_path / "log")


def test_a_head_kept_elsewhere_shows_what_the_chain_cannot(tmp_path: Path) -> None:
    log = tmp_path / "log"
    head = json.loads(write(log, 4)[3])["hash"]
    write(log, 3)
    assert verify(log).entries == 3
    with pytest.raises(AuditError, match="has 3 lines, but had 4"):
        verify(log, (4, head))
    write(log, 6)
    with pytest.raises(AuditError, match=r"line 4: its hash is .* but was"):
        verify(log, (4, "0" * 64))


def test_the_command_prints_the_head_and_takes_it_back(tmp_path: Path) -> None:
    log = tmp_path / "log"
    write(log, 2)
    with log.open("ab") as opened:
        opened.write(b'{"torn')
    shown = CliRunner().invoke(audit, ["verify", str(log)])
    assert shown.exit_code == 0 and "incomplete (6 bytes)" in shown.output
    head = shown.output.split()[-1]
    assert CliRunner().invoke(audit, ["verify", str(log), "--contains", head]).exit_code == 0
    log.write_bytes(b"\n" + log.read_bytes())
    broken = CliRunner().invoke(audit, ["verify", str(log)])
    assert broken.exit_code == 1 and "line 1: this is not a line" in broken.stderr
