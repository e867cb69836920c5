"""People at the page: with a mouse, a finger, a keyboard; several at once."""

import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from madf_jax.inference.inpainter import Inpainter
from tests.web.canvas import Canvas, download, pixels
from tests.web.conftest import PATIENCE, ROOT

pytestmark = pytest.mark.web

DOWNLOAD = "#download"
CANVAS = Canvas("#painter canvas")
ERROR = "[data-testid=toast-body]"
MARKED_AT = """((x, y) => document.querySelector("#painter canvas").getContext("2d")
    .getImageData(x, y, 1, 1).data[3])"""
FILLED = "document.getElementById('summary').innerText.includes('Filled in')"


def open_image(page, path):
    page.set_input_files("#image input[type=file]", path)
    page.wait_for_selector("#painter canvas", state="visible")
    width = "document.querySelector('#painter canvas').width"
    page.wait_for_function(f"{width} === {Image.open(path).width}")


def load_mask(page, path):
    with page.expect_file_chooser() as chooser:
        page.click("button:text-is('Open a mask')")
    chooser.value.set_files(path)


def edit(page, name):
    page.click(f"#painter button:text-is('{name}')")


def fill(page):
    page.click("#fill")
    page.wait_for_function(FILLED)


def wait_for_error(page, text):
    """The line that tells of a mistake; earlier ones may still stand there, or fade."""
    return page.wait_for_selector(f"{ERROR}:has-text('{text}')").inner_text()


def test_a_stroke_is_filled_with_the_pixels_of_the_command_and_of_python(
    new_page, demo, photo, tmp_path
):
    page = new_page()
    open_image(page, photo)
    CANVAS.stroke(page, (0.3, 0.5), (0.5, 0.6), (0.6, 0.5))
    hole = CANVAS.marked(page)
    assert 0.01 < hole.mean() < 0.5
    assert not page.locator(DOWNLOAD).is_visible()
    fill(page)
    assert re.match(r"Filled in \d+\.\d s", page.inner_text("#summary"))
    page.wait_for_selector("#before-after img >> nth=1")

    result = download(page, DOWNLOAD, tmp_path)
    mask = download(page, "#download-mask", tmp_path)
    assert (result.name, mask.name) == ("photo_painted.png", "photo_mask.png")
    np.testing.assert_array_equal(~pixels(mask), hole)
    np.testing.assert_array_equal(pixels(result)[~hole], pixels(photo)[~hole])
    assert np.any(pixels(result)[hole] != pixels(photo)[hole])
    assert Image.open(result).info["dpi"] == pytest.approx((300, 300), abs=0.1)

    command = [sys.executable, "-m", "madf_jax", "inpaint", f"--weights={demo.weights}"]
    files = [f"--image={photo}", f"--mask={mask}", f"--output={tmp_path / 'out.png'}"]
    subprocess.run([*command, *files], cwd=ROOT, check=True)
    np.testing.assert_array_equal(pixels(result), pixels(tmp_path / "out.png"))
    painted = Inpainter.load(demo.weights)(photo, mask)
    np.testing.assert_array_equal(pixels(result), np.asarray(painted))


def test_the_mask_is_edited_and_undone(new_page, photo, tmp_path):
    page = new_page()
    open_image(page, photo)
    CANVAS.stroke(page, (0.3, 0.5), (0.6, 0.5))
    once = CANVAS.marked(page)
    edit(page, "Grow")
    grown = CANVAS.marked(page)
    assert (grown >= once).all() and grown.sum() > once.sum()
    edit(page, "Invert")
    np.testing.assert_array_equal(CANVAS.marked(page), ~grown)
    edit(page, "Undo")
    edit(page, "Undo")
    np.testing.assert_array_equal(CANVAS.marked(page), once)
    edit(page, "Eraser")
    CANVAS.stroke(page, (0.5, 0.4), (0.5, 0.6))
    erased = CANVAS.marked(page)
    assert (erased <= once).all() and 0 < erased.sum() < once.sum()
    edit(page, "Clear")
    assert not CANVAS.marked(page).any()

    known = np.ones((90, 120), bool)
    known[20:40, 30:60] = False
    Image.fromarray(known).save(tmp_path / "mask.png")
    load_mask(page, tmp_path / "mask.png")
    page.wait_for_function(f"{MARKED_AT}(45, 30)")
    np.testing.assert_array_equal(CANVAS.marked(page), ~known)


def test_a_mask_with_a_white_hole_is_reported_and_inverted(new_page, photo, tmp_path):
    page = new_page()
    open_image(page, photo)
    hole = np.zeros((90, 120), bool)
    hole[20:40, 30:60] = True
    Image.fromarray(hole).save(tmp_path / "mask.png")
    load_mask(page, tmp_path / "mask.png")
    line = "The mask is 94 % hole. If the wrong part is marked, press Invert."
    page.wait_for_selector(f"text={line}")
    page.wait_for_function(f"{MARKED_AT}(5, 5)")
    edit(page, "Invert")
    np.testing.assert_array_equal(CANVAS.marked(page), hole)


def test_another_image_is_begun_from_nothing(new_page, photo, tmp_path):
    page = new_page()
    open_image(page, photo)
    CANVAS.stroke(page, (0.3, 0.5), (0.6, 0.5))
    fill(page)
    page.click("button:text-is('Open another image')")
    page.wait_for_selector("#image", state="visible")
    Image.new("L", (64, 48), 128).save(tmp_path / "other.jpg")
    open_image(page, tmp_path / "other.jpg")
    assert CANVAS.marked(page).shape == (48, 64) and not CANVAS.marked(page).any()
    page.wait_for_selector(DOWNLOAD, state="hidden")
    page.wait_for_function(f"!{FILLED}")
    CANVAS.stroke(page, (0.3, 0.5), (0.6, 0.5))
    fill(page)
    with Image.open(download(page, DOWNLOAD, tmp_path)) as result:
        assert (result.format, result.mode, result.size) == ("JPEG", "L", (64, 48))


def test_the_brush_has_a_size(new_page, photo):
    page = new_page()
    open_image(page, photo)
    CANVAS.stroke(page, (0.5, 0.5))
    small = CANVAS.marked(page).sum()
    edit(page, "Clear")
    page.fill("#painter input[type=range]", "60")
    CANVAS.stroke(page, (0.5, 0.5))
    assert CANVAS.marked(page).sum() > 2 * small > 0


def test_the_keyboard_is_enough(new_page, photo):
    page = new_page()
    open_image(page, photo)
    page.focus("#painter canvas")
    page.keyboard.down(" ")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.up(" ")
    hole = CANVAS.marked(page)
    rows, columns = np.nonzero(hole)
    assert np.ptp(columns) > np.ptp(rows) > 0
    page.keyboard.press("Control+z")
    assert not CANVAS.marked(page).any()
    page.keyboard.press(" ")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function(FILLED)


def test_a_finger_on_a_phone_is_enough(new_page, photo, tmp_path):
    page = new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    open_image(page, photo)
    CANVAS.assert_a_finger_marks(page, screen=390)
    page.tap("#fill")
    page.wait_for_function(FILLED)
    assert pixels(download(page, DOWNLOAD, tmp_path)).shape == (90, 120, 3)


def test_mistakes_are_one_line_and_can_be_corrected(new_page, photo, tmp_path):
    page = new_page()
    (tmp_path / "broken.png").write_text("no image")
    page.set_input_files("#image input[type=file]", tmp_path / "broken.png")
    line = wait_for_error(page, "broken.png: not a JPEG, PNG, WebP, BMP or TIFF image")
    assert str(tmp_path) not in line and "Traceback" not in line and "/" not in line
    assert page.is_visible("#image") and not page.is_visible("#fill")
    open_image(page, photo)
    assert page.is_visible("#fill") and not page.is_visible("#image")
    page.click("#fill")
    wait_for_error(page, "Nothing is marked yet")


def test_what_is_too_large_is_refused_with_the_limit(new_page, tmp_path):
    page = new_page()
    with (tmp_path / "heavy.png").open("wb") as file:
        file.truncate(201 * 2**20)
    page.set_input_files("#image input[type=file]", tmp_path / "heavy.png")
    wait_for_error(page, "maximum allowed size of 200.0 Mb")
    Image.new("1", (10_000, 7_000)).save(tmp_path / "huge.png")
    page.set_input_files("#image input[type=file]", tmp_path / "huge.png")
    wait_for_error(page, "huge.png: has 70 megapixels, and this page takes up to 64")


def test_several_people_wait_for_each_other(new_page, photo):
    pages = [new_page(), new_page()]
    for page in pages:
        open_image(page, photo)
        CANVAS.stroke(page, (0.3, 0.5), (0.6, 0.5))
    for page in pages:
        page.click("#fill")
    for page in pages:
        page.wait_for_function(FILLED)


def test_files_of_the_server_can_not_be_read(new_page, demo):
    page = new_page()
    for path in ("/etc/passwd", ROOT / "README.md", demo.weights):
        assert page.request.get(f"{demo.url}/gradio_api/file={path}").status == 403
    answer = page.request.get(demo.url)
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_ends_quietly_and_leaves_nothing(sent, status, start_demo):
    demo = start_demo()
    assert list(demo.temporary.glob("madf_jax_*"))
    demo.process.send_signal(sent)
    errors = demo.process.communicate(timeout=PATIENCE / 1000)[1]
    assert demo.process.returncode == status
    assert errors == ("madf-jax: interrupted\n" if sent == signal.SIGINT else "")
    assert not list(demo.temporary.glob("madf_jax_*"))
