"""The chain: any change to what is written shows, and names its line."""

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partlens.server.audit.chain import GENESIS, Head, encoded, followed, line
from partlens.server.audit.cli import audit
from partlens.server.audit.log import AuditLog
from partlens.server.audit.verification import verify
from partlens.server.errors import AuditError


def write(path: Path, count: int) -> list[bytes]:
    lines, head = [], Head()
    for i in range(count):
        entry = {"method": "SearchRegions", "hits": i, "name": "wärter\n"}
        text, head = line(encoded(entry), head)
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
    with pytest.raises(AuditError, match="has 3 entries, but had 4"):
        verify(log, (4, head))
    write(log, 6)
    with pytest.raises(AuditError, match=r"entry 4: its hash is .* but was"):
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


def format_1(count: int) -> list[bytes]:
    """A log as versions until 0.1 wrote it."""
    lines, head = [], GENESIS
    for i in range(count):
        entry = {"method": "SearchRegions", "hits": i, "name": "wärter\n"}
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
        head = hashlib.sha256(f"{head}\n{text}".encode()).hexdigest()
        lines.append(json.dumps({**entry, "hash": head}, ensure_ascii=False).encode() + b"\n")
    return lines


SAME_VALUES = {
    "a key twice": lambda raw: raw.replace(b'"hits"', b'"hits": 9, "hits"'),
    "another order": lambda raw: raw.replace(
        b'"method": "SearchRegions", "hits": 1', b'"hits": 1, "method": "SearchRegions"'
    ),
    "another escape": lambda raw: raw.replace(b"Search", b"\\u0053earch"),
    "a blank at the end": lambda raw: raw[:-1] + b" \n",
    "a carriage return": lambda raw: raw[:-1] + b"\r\n",
    "a blank inside": lambda raw: raw.replace(b'"hits": ', b'"hits":  '),
    "a hash in capitals": lambda raw: raw[:-67] + raw[-67:-3].upper() + raw[-3:],
}


@pytest.mark.parametrize("how", SAME_VALUES)
@pytest.mark.parametrize("format", [1, 2])
def test_other_bytes_for_the_same_values_break_the_chain(
    tmp_path: Path, how: str, format: int
) -> None:
    lines = format_1(3) if format == 1 else write(tmp_path / "log", 3)
    (tmp_path / "log").write_bytes(b"".join(lines))
    assert verify(tmp_path / "log").entries == 3
    changed = SAME_VALUES[how](lines[1])
    assert changed != lines[1] and json.loads(changed).keys() == json.loads(lines[1]).keys()
    (tmp_path / "log").write_bytes(lines[0] + changed + lines[2])
    if (how, format) == ("another order", 1):
        return  # the one change that format 1 cannot show
    with pytest.raises(AuditError, match=r"line 2: "):
        verify(tmp_path / "log")


async def test_a_log_of_format_1_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(format_1(3)))
    log = AuditLog(path)
    log.open()
    assert await log.append({"n": 0}) == 4
    await log.close()
    assert verify(path).entries == 4


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b'{"v": 3, "entry": 1, "hash": "%b"}\n' % (b"0" * 64))
    with pytest.raises(AuditError, match="has format 3; this version reads formats 1 to 2"):
        verify(tmp_path / "log")


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=[])).filter(
            lambda key: key not in ("v", "entry", "hash")
        ),
        st.text(st.characters(exclude_categories=[])) | st.integers(),
    )
)
def test_any_text_can_be_written_and_read(entry: dict[str, str | int]) -> None:
    raw, head = line(encoded(entry), Head())
    assert raw.isascii() and raw.count(b"\n") == 1 and followed(raw, Head(), "here")[1] == head
    fields = json.loads(raw)
    assert {key: fields[key] for key in entry} == entry
