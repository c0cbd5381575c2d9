"""`partlens bench fanout` and `partlens bench scale`: files, options and what they print."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from partlens.cli.main import main
from partlens.server.bench.fanout.cluster import Cluster, Costs, Hop, Load, Trouble
from partlens.server.bench.fanout.comparison import compared
from partlens.server.bench.fanout.measured import Measured, MeasuredError, MeasuredRun, read
from partlens.server.bench.fanout.outcome import Case, outcome, replicas_for
from partlens.server.bench.fanout.service_times import ServiceTimes

QUICK = ("--queries", "200")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["bench", *(str(one) for one in arguments)])


def found(*arguments: object) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def measured(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "cores": 2,
        "positions": 32,
        "dimensions": 128,
        "images": 4000,
        "alone": {"4000": [5.0], "1000": [4.0]},
        "hops": [1.0, 1.0],
        "call_ms": 0.0,
        "runs": [
            {"shards": 1, "per_second": 0.1, "milliseconds": [6.0] * 9},
            {"shards": 4, "per_second": 0.1, "milliseconds": [9.0] * 9},
        ],
    }
    return made | changes


def case(images: int = 1_000_000, **changes: Any) -> Case:
    service = ServiceTimes(100_000, 32, 128, np.array([4.0, 5.0, 6.0]))
    costs = Costs(Hop(2, 8), front_ms=0.3, call_ms=0.2)
    load = changes.pop("load", Load(20, 400))
    return Case(service, images, Cluster(1), costs, Trouble(), load, **changes)


def test_runs_that_nothing_disturbs_are_predicted_exactly(tmp_path: Path) -> None:
    # A call takes 1 ms, and four searches of 4 ms on two cores take 8 ms.
    file = tmp_path / "measured.json"
    file.write_text(json.dumps(measured()))
    one, four = found("fanout", "--measured", file)
    assert one["predicted_p50_ms"] == pytest.approx(6.0) == one["measured_p50_ms"]
    assert four["predicted_p99_ms"] == pytest.approx(9.0)
    assert four["p50_ratio"] == pytest.approx(1.0) == one["p99_ratio"]


def test_a_written_file_is_read_again(tmp_path: Path) -> None:
    runs = [MeasuredRun(2, 10.0, [7.25, 8.0])]
    made = Measured(2, 32, 128, 2000, {1000: [3.5, 4.25]}, [0.5], 0.1, runs)
    made.write(tmp_path / "file")
    assert read(tmp_path / "file") == made


def test_the_bundled_times_are_used_by_default() -> None:
    bundled = read(None)
    assert bundled.service().images == max(bundled.alone)
    assert {row.shards for row in compared(bundled, seed=0)} == {run.shards for run in bundled.runs}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cores": 0}, "cores: 0 is not a whole number"),
        ({"cores": None}, "cores: None"),
        ({"alone": {}}, "alone: it lists no shard"),
        ({"alone": {"x": [1]}}, "alone: invalid literal"),
        ({"alone": {"10": []}}, "alone: not a list of at least one number"),
        ({"alone": {"10": [-1]}}, "at least 0"),
        ({"hops": [math.nan]}, "hops: nan is not a finite number"),
        ({"hops": ["1"]}, "hops: '1' is not a number"),
        ({"runs": [{"shards": 1, "per_second": 0, "milliseconds": [1]}]}, "a rate is more than 0"),
        ({"runs": [{}]}, "runs: shards"),
        ({"runs": 5}, "runs: "),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    file = tmp_path / "measured.json"
    file.write_text(json.dumps(measured(**changes)))
    for option in ("--service", "--measured"):
        result = run("fanout", option, file)
        assert result.exit_code == 1 and said in result.output
        assert "partlens bench shares" in result.output
    with pytest.raises(MeasuredError, match="measured"):
        read(file)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100_000, None])
def test_what_is_not_json_is_explained(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    result = run("fanout", "--service", file)
    assert result.exit_code and "is not a file of measured times" in result.output


def test_a_run_of_shards_that_were_not_measured_alone_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    file.write_text(json.dumps(measured(alone={"4000": [5.0]})))
    result = run("fanout", "--measured", file)
    assert result.exit_code == 1 and "4 shards of 1000 images" in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--shards", "1,0"), "not a list of numbers"),
        (("--shards", "5000"), "at most 4096 shards"),
        (("--hop", "40,10"), "two rising numbers"),
        (("--hop", "0,10"), "two rising numbers"),
        (("--hop", "nan,nan"), "two rising numbers"),
        (("--rate", "0"), "--rate"),
        (("--rate", "nan"), "not a finite number"),
        (("--lost", "1.5"), "--lost"),
    ],
)
def test_wrong_options_are_refused(options: tuple[str, ...], said: str) -> None:
    result = run("fanout", *options)
    assert result.exit_code == 2 and said in result.output


def test_more_shards_search_less_and_ask_more() -> None:
    rows = found("fanout", "--shards", "1,4,16", "--rate", 5, *QUICK)
    searches = [row["search_ms"] for row in rows]
    fronts = [row["front_utilisation"] for row in rows]
    assert searches == sorted(searches, reverse=True) and fronts == sorted(fronts)
    assert [row["nodes"] for row in rows] == [2, 8, 32]
    assert rows == found("fanout", "--shards", "1,4,16", "--rate", 5, *QUICK)


def test_more_than_can_be_done_is_said() -> None:
    options = ("--shards", "1", "--replicas", 1, "--at-once", 1, "--rate", 1000, *QUICK)
    (row,) = found("fanout", *options)
    assert row["overloaded"]
    assert "overloaded" in run("fanout", *options).stdout


def test_an_answer_that_never_comes_is_null_in_json() -> None:
    (row,) = found("fanout", "--shards", 2, "--lost", 1, *QUICK)
    assert row["p50_ms"] is None and row["failed"] == 200


def test_an_aim_is_met_with_the_fewest_replicas() -> None:
    busy = case(load=Load(900, 2000))
    made = replicas_for(busy, 1, 60.0)
    assert made is not None and made.p99_ms <= 60 and not made.overloaded
    assert made.replicas > 2
    fewer = outcome(busy, 1, made.replicas - 1)
    assert fewer.overloaded or fewer.p99_ms > 60


def test_an_aim_that_no_replica_helps_with_is_not_met() -> None:
    assert replicas_for(case(), 1, 5.0) is None
    rows = found("fanout", "--shards", "1,2", "--aim-ms", 1, *QUICK)
    assert rows == {"aim_ms": 1.0, "met": {"1": None, "2": None}, "fewest_nodes": None}
    said = run("fanout", "--shards", "1,2", "--aim-ms", 1, *QUICK).stdout
    assert "No number of replicas keeps p99 to 1 ms with these shards: 1, 2" in said
    rows = found("fanout", "--images", 10**6, "--shards", "1,2", "--aim-ms", 900, *QUICK)
    assert rows["fewest_nodes"] == rows["met"]["1"]


def test_reading_from_disk_takes_longer_for_each_candidate() -> None:
    warm, cold = outcome(case(100_000), 1), outcome(case(100_000, cold=0.5, read_ms=0.1), 1)
    assert cold.search_ms - warm.search_ms == pytest.approx(0.5 * 0.1 * 256)


def test_estimates_add_up() -> None:
    options = ("--storage", "int8", "--rate", 30, *QUICK)
    small, large = found("scale", "--images", 10**6, "--images", 10**8, *options)
    assert small["one_machine"] and not large["one_machine"]
    for name in ("truth_bytes", "segment_bytes", "catalogue_bytes"):
        assert large[name] == pytest.approx(100 * small[name], rel=0.01)
    nodes = large["outcome"]["nodes"] + 1
    assert large["nodes"] == nodes
    assert large["month_cost"] == pytest.approx(
        nodes * 0.8 * 730 + large["truth_bytes"] / 1e12 * 23
    )
    assert large["indexing_hours"] == pytest.approx(1e8 / (75 * 16 * nodes) / 3600)
    assert large["meets_aim"] and large["outcome"]["p99_ms"] <= 500


def test_a_missing_simpy_is_explained() -> None:
    program = (
        "import sys; sys.modules['simpy'] = None\n"
        "from partlens.cli.main import main; main(['bench', 'fanout'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode and "simpy" in done.stderr
    assert 'pip install "partlens[ray,faiss-cpu]"' in done.stderr


def test_what_no_shards_can_do_is_said() -> None:
    options = ("--images", 10**9, "--storage", "int8", "--rate", 10, *QUICK)
    (made,) = found("scale", *options)
    assert not made["meets_aim"] and made["uses"]["front memory"] > 1
    said = run("scale", *options).stdout
    assert "not met" in said and "front memory" in said
    (made,) = found("scale", *options, "--front-memory", "512GiB", "--aim-ms", 5000)
    assert made["meets_aim"]
