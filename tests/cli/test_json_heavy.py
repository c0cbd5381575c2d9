"""`--json` of commands that load a model or write a gallery: one document, and nothing else."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import head_modules
import pytest
import torch
from click.testing import CliRunner, Result
from served import Served, serving

from partlens.cli.main import main
from partlens.explainer.starter import model_folder

STARTER = model_folder()


@dataclass(frozen=True)
class Made:
    """What commands need.

    Attributes:
        pictures: folder of generated people, with what is known of them.
        gallery: of these pictures and the starter model.
        served: a server of another gallery.
        out: an empty folder for each test.
    """

    pictures: Path
    gallery: Path
    served: Served
    out: Path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    assert (
        run("starter", "pictures", "--count", 16, "--seed", 7, "--out", folder / "a").exit_code == 0
    )
    folder /= "a"
    rows = (folder / "manifest.csv").read_text().splitlines()[1:]
    named = [(cells[0], cells[3], cells[2]) for cells in (row.split(",") for row in rows)]
    (folder / "labels.csv").write_text(
        "\n".join(["image,label", *(f"{image},{person}" for image, person, _ in named)])
    )
    (folder / "attributes.csv").write_text(
        "\n".join(
            ["image,attribute,value", *(f"{image},camera,{camera}" for image, _, camera in named)]
        )
    )
    torch.save(head_modules.factory().state_dict(), folder / "weights.pth")
    return folder


@pytest.fixture(scope="module")
def gallery(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("galleries") / "people"
    for asked in (("create", path), ("add", path, pictures / "manifest.csv")):
        assert run("index", *asked, "--model", STARTER).exit_code == 0
    return path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
def made(pictures: Path, gallery: Path, served: Served, tmp_path: Path) -> Made:
    return Made(pictures, gallery, served, tmp_path)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


Arguments = Callable[[Made], Sequence[object]]


def evaluation(*more: object, parts: bool = False) -> Arguments:
    """Arguments of an evaluation on the pictures."""

    def arguments(made: Made) -> list[object]:
        known = ["--annotations", made.pictures / "images.csv"]
        known += ["--parts", made.pictures / "parts.csv"] if parts else []
        return ["--model", STARTER, "--images", made.pictures, *known, *more]

    return arguments


def after(before: Sequence[object], arguments: Sequence[object]) -> Sequence[object]:
    """Arguments of a command that needs another one to have run."""
    assert run(*before).exit_code == 0
    return arguments


PARTS = evaluation("--part", "shoes", "--queries", 2, parts=True)
LINES = {"bench head"}
MINUTES = {
    "bench faults",
    "bench serve",
    "bench sharded",
    "bench upload",
    "evaluate orient",
    "model import",
    "model suggest",
    "starter train",
}
HEAVY: dict[str, Arguments] = {
    "bench erase": lambda _: ["--images", 40, "--erased", 2],
    "bench faults": lambda _: ["--images", 40, "--seconds", 2],
    "bench head": lambda _: [STARTER, "--batch", 1, "--repeats", 1],
    "bench index": lambda _: ["--count", 4, "--batch", 2, "--repeats", 1],
    "bench serve": lambda made: [
        *("--model", STARTER, "--gallery", made.gallery, "--clients", 1, "--seconds", 0.5)
    ],
    "bench sharded": lambda made: [
        *("--model", STARTER, "--gallery", made.gallery, "--shards", 1, "--rounds", 1),
        *("--seconds", 0.5),
    ],
    "bench standing": lambda _: ["--model", STARTER, "--queries", 2, "--repeats", 1],
    "bench upload": lambda _: ["--clients", 1, "--seconds", 0.5],
    "evaluate attributes": lambda made: [
        *("--model", STARTER, "--images", made.pictures, "--queries", 2),
        *("--attributes", made.pictures / "attributes.csv"),
        *("--labels", made.pictures / "labels.csv", "--box", "camera=0.2,0,0.6,0.3"),
    ],
    "evaluate diagnose": evaluation(
        *("--loss", "triplet", "--loss", "multi_similarity", "--seeds", 1, "--steps", 1)
    ),
    "evaluate faithfulness": evaluation("--sample", 2),
    "evaluate feedback": lambda made: [*PARTS(made), "--shown", 1],
    "evaluate keypoints": evaluation("--pairs", 4, parts=True),
    "evaluate localize": evaluation(),
    "evaluate orient": lambda _: ["--pairs", 2, "--train-pairs", 4, "--steps", 1],
    "evaluate parts": PARTS,
    "evaluate retrieval": lambda made: [
        *("--model", STARTER, "--images", made.pictures),
        *("--labels", made.pictures / "labels.csv"),
    ],
    "images picture": lambda made: [
        *("07", made.out / "a.jpg", "--max-side", 20, "--server", made.served.target)
    ],
    "index reduce": lambda made: [
        *(made.gallery, made.out / "smaller", "--model", STARTER, "--dimensions", 8)
    ],
    "index reindex": lambda made: [
        *(made.gallery, made.out / "new", "--model", made.served.model),
        *("--originals", made.pictures),
    ],
    "index restore": lambda made: after(
        ("index", "snapshot", made.gallery, made.out / "snapshot"),
        (made.out / "snapshot", made.out / "restored"),
    ),
    "index snapshot": lambda made: [made.gallery, made.out / "snapshot"],
    "maps": lambda made: [
        *(made.pictures, "--against", made.pictures / "7-0000-a0.jpg", "--model", STARTER),
        *("--out", made.out / "maps"),
    ],
    "model import": lambda made: [
        *(
            made.out / "model",
            "--torch",
            "head_modules:factory",
            "--weights",
            made.pictures / "weights.pth",
        ),
        *("--height", 16, "--width", 8, "--feature-layer", "stem"),
    ],
    "model register": lambda made: [made.served.model, made.out / "copy"],
    "model suggest": lambda made: [
        *("--torch", "head_modules:factory", "--weights", made.pictures / "weights.pth"),
        *("--height", 16, "--width", 8),
    ],
    "setup": lambda made: [made.out / "server"],
    "starter train": lambda made: ["--steps", 1, "--out", made.out / "trained"],
}


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.long] if path in MINUTES else []) for path in HEAVY],
)
def test_json_is_one_document_and_a_failure_leaves_standard_output_empty(
    path: str,
    made: Made,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(made.out)
    arguments = HEAVY[path](made)
    good = run(*path.split(), *arguments, "--json")
    assert good.exit_code == 0, good.output
    for document in good.stdout.splitlines() if path in LINES else [good.stdout]:
        json.loads(document)
    assert good.stdout.count("\n") == 1 or path in LINES
    bad = run(*path.split(), *broken(arguments, made), "--json")
    assert bad.exit_code != 0 and bad.stderr and bad.stdout == "", bad.output
    assert capfd.readouterr().out == ""  # nothing around Python's own streams


def broken(arguments: Sequence[object], made: Made) -> list[object]:
    """The arguments with no file and no server where they say; a wrong one if they name none."""
    nowhere = made.pictures / "images.csv" / "below"
    wrong = [
        nowhere if isinstance(one, Path) else "127.0.0.1:1" if one == made.served.target else one
        for one in arguments
    ]
    return wrong if wrong != list(arguments) else [*arguments, "--wrong"]
