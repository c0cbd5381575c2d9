"""Retrieval metrics equal a naive loop, and labels are what the file or the paths say."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from partlens.explainer.errors import AnnotationError, ShapeError
from partlens.explainer.evaluation.commands.evaluate import evaluate
from partlens.explainer.evaluation.label_retrieval import measure_retrieval
from partlens.explainer.evaluation.labels import labels_from_csv, labels_from_paths
from partlens.explainer.starter import model_folder

Case = tuple[NDArray[np.float64], list[str], list[str] | None, list[bool] | None]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count = draw(st.integers(2, 12))
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    each = st.sampled_from
    labels = draw(st.lists(each("abc"), min_size=count, max_size=count))
    cameras = draw(st.none() | st.lists(each("12"), min_size=count, max_size=count))
    queries = draw(st.none() | st.lists(st.booleans(), min_size=count, max_size=count))
    return random.standard_normal((count, 3)), labels, cameras, queries


def naive(case: Case, k: int) -> tuple[list[float], list[float]]:
    """Recall@k and average precision of every query that has something to find."""
    embeddings, labels, cameras, queries = case
    recalls, precisions = [], []
    for q in range(len(labels)):
        if queries is not None and not queries[q]:
            continue
        ranked = []
        for g in range(len(labels)):
            if g == q or (queries is not None and queries[g]):
                continue
            if cameras is not None and labels[g] == labels[q] and cameras[g] == cameras[q]:
                continue
            lengths = np.linalg.norm(embeddings[q]) * np.linalg.norm(embeddings[g])
            ranked.append((-float(embeddings[q] @ embeddings[g]) / lengths, labels[g] == labels[q]))
        relevant = [same for _, same in sorted(ranked)]
        if not any(relevant):
            continue
        recalls.append(float(any(relevant[:k])))
        found, sums = 0, 0.0
        for place, same in enumerate(relevant, start=1):
            if same:
                found += 1
                sums += found / place
        precisions.append(sums / found)
    return recalls, precisions


@given(cases(), st.integers(1, 4))
def test_metrics_equal_a_naive_loop(case: Case, k: int) -> None:
    recalls, precisions = naive(case, k)
    assume(recalls)
    measured = measure_retrieval(*case, ks=[k])
    searched = len(case[1]) if case[3] is None else sum(case[3])
    assert (measured.queries, measured.without_match) == (len(recalls), searched - len(recalls))
    assert measured.recall_at == pytest.approx({k: np.mean(recalls)})
    assert measured.mean_average_precision == pytest.approx(np.mean(precisions))


@given(cases(), st.floats(0.01, 100))
def test_neither_the_length_of_embeddings_nor_their_order_counts(case: Case, scale: float) -> None:
    assume(naive(case, 1)[0])
    embeddings, labels, cameras, queries = case
    backwards: Case = (
        embeddings[::-1] * scale,
        labels[::-1],
        cameras and cameras[::-1],
        queries and queries[::-1],
    )
    first, second = measure_retrieval(*case), measure_retrieval(*backwards)
    assert first.recall_at == pytest.approx(second.recall_at)
    assert first.mean_average_precision == pytest.approx(second.mean_average_precision)


def test_nothing_to_be_found_is_said() -> None:
    with pytest.raises(ShapeError, match="2 queries has another image of its label"):
        measure_retrieval(np.eye(2), ["a", "b"])
    with pytest.raises(ShapeError, match="its label and another camera"):
        measure_retrieval(np.eye(2), ["a", "a"], ["1", "1"])
    with pytest.raises(ShapeError, match="do not fit"):
        measure_retrieval(np.eye(2), ["a"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight pictures of two people, each in a folder of its own, by two cameras."""
    for i in range(8):
        person, camera = divmod(i, 4)
        path = tmp_path / "images" / f"p{person}" / f"{person}_c{camera % 2}_{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 256, (16, 8, 3), np.uint8)
        Image.fromarray(noise).save(path)
    return tmp_path / "images"


def test_paths_give_labels_cameras_and_queries(folder: Path) -> None:
    assert [image.label for image in labels_from_paths(folder)] == ["p0"] * 4 + ["p1"] * 4
    pattern = r"(?P<query>p0)?.*/(?P<label>\d)_c(?P<camera>\d)_[0-5]"
    images = labels_from_paths(folder, pattern)
    assert [(i.label, i.camera, i.query) for i in images] == [
        ("0", "0", True),
        ("0", "0", True),
        ("0", "1", True),
        ("0", "1", True),
        ("1", "0", False),
        ("1", "1", False),
    ]


def test_a_csv_file_gives_the_same(folder: Path) -> None:
    pattern = r"(?P<query>p0)?.*/(?P<label>\d)_c(?P<camera>\d)"
    images = labels_from_paths(folder, pattern)
    rows = [f"{i.path.relative_to(folder)},{i.label},{i.camera},{int(i.query)},x" for i in images]
    file = folder.parent / "labels.csv"
    file.write_text("\n".join(["image,label,camera,query,other", *rows]), encoding="utf-8-sig")
    assert labels_from_csv(file, folder) == images


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; it needs a header"),
        ("image,name\n", "has no column 'label'; it has 'image', 'name'"),
        ("image,label\n", "gives no labelled image"),
        ("image,label\na.png", "row 2 has 1 cells"),
        ("image,label\na.png,a\na.png,b", "row 3: image 'a.png' is in labels.csv, row 2 already"),
        ("image,label\na.png,", "row 2: image and label must not be empty"),
        ("image,label,query\na.png,a,yes", "query is 'yes'; allowed are 0 and 1"),
        ("image,label,camera\na.png,a,\nb.png,a,1", "a camera to 1 of 2 images"),
        ("image,label,Label\na.png,a,b", "the columns 'label' and 'Label'"),
        ("image;label\na.png;a", "separated by semicolons"),
        ("image,label\na.png,a\nb.png,b\n./a.png,b", "row 4: image './a.png' is in .* row 2"),
        ('image,label\n"a.png,a', "cannot be read as CSV"),
        ("image,label\n\udcff,a", "UTF-8"),
    ],
)
def test_a_csv_file_that_cannot_be_read_is_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(AnnotationError, match=message):
        labels_from_csv(file, tmp_path)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "not a regular expression"),
        ("(p0)/", r"no group \(\?P<label>"),
        ("(?P<label>q)", "no labelled image"),
        (r"(?P<label>..)/.*(?P<camera>_c1)?", "no labelled image"),
    ],
)
def test_a_pattern_that_labels_nothing_is_refused(
    pattern: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(AnnotationError, match=message):
        labels_from_paths(tmp_path, pattern)


def evaluated(*arguments: object) -> tuple[int, str]:
    given = ["retrieval", "--model", model_folder(), *arguments]
    result = CliRunner().invoke(evaluate, [str(argument) for argument in given])
    return result.exit_code, result.output


def test_the_command_prints_what_was_measured(folder: Path) -> None:
    pattern = r".*/(?P<label>\d)_c(?P<camera>\d)"
    code, printed = evaluated("--images", folder, "--label-pattern", pattern, "--json")
    assert code == 0, printed
    facts = json.loads(printed)
    counted = [facts[key] for key in ("images", "labels", "cameras", "queries", "without_match")]
    assert counted == [8, 2, 2, 8, 0]
    assert facts["recall_at_10"] == 1 and 0 < facts["mean_average_precision"] <= 1
    code, printed = evaluated("--images", folder)
    assert code == 0 and "recall_at_1: " in printed and "cameras: 0" in printed


def test_the_command_names_what_it_cannot_use(folder: Path) -> None:
    code, printed = evaluated("--images", folder / "nowhere")
    assert code == 1 and "is missing or cannot be listed" in printed
    broken = folder / "p0" / "0_c0_0.png"
    broken.write_bytes(broken.read_bytes()[:60])
    code, printed = evaluated("--images", folder)
    assert code == 1 and "0_c0_0.png" in printed and "damaged or cut short" in printed
    code, printed = evaluated("--images", folder, "--labels", folder / "no.csv")
    assert code == 1 and "no.csv cannot be read" in printed
