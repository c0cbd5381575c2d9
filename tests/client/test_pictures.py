"""However a caller holds a picture, a region or one of them, the same request is sent."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from partlens.client import (
    Box,
    Filter,
    GalleryImageId,
    Mask,
    Point,
    Polygon,
    QueryId,
    QueryImage,
    QueryRegion,
    Region,
    RequestError,
    Upload,
    Whole,
    checks,
    encoding,
)
from partlens.common import pictures

BOX = Box(1, 2, 3, 4)
# What they are given here is not what their types allow.
describe: Any = encoding.describe
get_facets: Any = encoding.get_facets
REGIONS: list[Region] = [
    BOX,
    Point(1, 2),
    Point(1, 2, snap=True),
    Polygon(((0, 0), (1, 0), (1, 1))),
    Mask(np.eye(3, dtype=np.bool_)),
    Whole(),
]
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))


def png(pixels: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def sent(image: QueryImage) -> NDArray[np.uint8]:
    """Pixels of what is sent for an image, as a server decodes them."""
    data = encoding.query_image(image).data
    assert encoding.upload(Upload("a", image)).data == data  # type: ignore[arg-type]
    return pictures.decode(data)


@given(arrays(np.uint8, SIZES))
def test_every_form_of_a_picture_is_sent_with_its_pixels(pixels: NDArray[np.uint8]) -> None:
    forms: list[Any] = [
        png(pixels),
        memoryview(png(pixels)),
        Image.fromarray(pixels),
        pixels,
        pixels[::-1][::-1],
        pixels / 255,
        (pixels / 255).astype(np.float32),
    ]
    for form in forms:
        np.testing.assert_array_equal(sent(form), pixels)
    grey = pixels[..., 0]
    np.testing.assert_array_equal(sent(grey), np.repeat(grey[..., None], 3, 2))


def test_a_file_is_sent_byte_for_byte(tmp_path: Path) -> None:
    data = png(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    file = tmp_path / "a.png"
    file.write_bytes(data)
    for path in (file, str(file)):
        assert encoding.query_image(path).data == data
    (turned := Image.new("RGB", (2, 3))).getexif()[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=turned.getexif())
    with Image.open(tmp_path / "turned.jpg") as opened:
        assert sent(opened).shape == (2, 3, 3)  # upright


def search(images: Any, regions: Any) -> Any:
    return encoding.search(images, regions, None, "default", 0, "", (), False, "")


@pytest.mark.parametrize("image", [b"a", GalleryImageId("a"), QueryId("q"), np.zeros((4, 4))])
def test_one_image_counts_as_a_list_of_one(image: Any) -> None:
    assert search(image, [BOX]) == search([image], [BOX])
    several = np.zeros((2, 4, 4, 3), np.uint8)
    assert len(search(several, [BOX]).images) == 2


@pytest.mark.parametrize("region", REGIONS, ids=str)
def test_a_bare_shape_counts_as_a_region_of_the_first_image(region: Region) -> None:
    asked = search(b"a", [QueryRegion(region)])
    assert search(b"a", region) == search(b"a", [region]) == search(b"a", QueryRegion(region))
    assert search(b"a", region) == asked
    assert encoding.describe(b"a", region) == encoding.describe(b"a", [region])
    assert encoding.pair(b"a", b"b", region, ()) == encoding.pair(b"a", b"b", [region], [])
    assert encoding.pair(b"a", b"b", (), region) == encoding.pair(b"a", b"b", [], [region])


@pytest.mark.parametrize(
    ("wrong", "way_out"),
    [
        (lambda: search("photos/0042.jpg", BOX), r"GalleryImageId\(id\)"),
        (lambda: search(b"a", (1, 2, 3, 4)), r"Give Box\(x, y, width, height\)"),
        (lambda: describe(b"a", (1, 2)), r"Give Point\(x, y\)"),
        (lambda: search(b"a", [(1, 2, 3, 4)]), r"Give Box\(x, y, width, height\)"),
        (lambda: search(b"a", [[1, 2]]), r"Give Point\(x, y\)"),
        (lambda: search(b"a", [Whole]), r"Give Whole\(\.\.\.\)"),
        (lambda: search(b"a", [np.eye(2)]), r"Give Mask\(array\)"),
        (lambda: search(5, BOX), "images must be a list"),
        (lambda: search([io.BytesIO(b"a")], BOX), r"read\(\)"),
        (lambda: search(io.BytesIO(b"a"), BOX), r"read\(\)"),
        (lambda: describe(b"a", QueryRegion(BOX)), "Give the shape itself"),
        (lambda: get_facets("camera = a", 0), r"parse_where\(text\)"),
        (lambda: get_facets(Filter(cameras="ab"), 0), r"such as \['ab'\]"),
        (lambda: encoding.delete_images("01"), r"such as \['01'\]"),
        (lambda: checks.several("images", Upload("a", b"a")), r"such as \[Upload\(\.\.\.\)\]"),
        (lambda: checks.several("maps", "score"), r"such as \['score'\]"),
    ],
)
def test_a_mistake_is_answered_with_what_to_write(wrong: Any, way_out: str) -> None:
    with pytest.raises(RequestError, match=way_out):
        wrong()


def test_the_client_needs_pillow_only_for_images_and_arrays() -> None:
    program = (
        "import sys; sys.modules['PIL'] = None\n"
        "import numpy as np\n"
        "from partlens.client import MissingLibraryError, encoding\n"
        "assert encoding.query_image(b'a').data == b'a'\n"
        "try: encoding.query_image(np.zeros((4, 4)))\n"
        "except MissingLibraryError as error: print(error)\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert 'pip install "partlens[cli]"' in done.stdout, done.stderr
