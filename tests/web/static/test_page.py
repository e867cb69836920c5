"""The page that paints in the browser itself, as `demo --static` and other servers serve it."""

import base64
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from PIL import Image

from tests.web.canvas import Canvas, download, pixels
from tests.web.conftest import BROWSERS, PATIENCE, ROOT

pytestmark = pytest.mark.web

FILLED = "#status:has-text('Filled in')"
ERROR = "#error:not(:empty)"
DOWNLOAD = "#download"
CANVAS = Canvas("#mask")


def open_image(page, path):
    page.set_input_files("#file", path)
    page.wait_for_selector("#status:has-text('Mark what should disappear')")


def fill(page):
    page.click("#fill")
    page.wait_for_selector(f"{FILLED}, {ERROR}")
    assert not page.inner_text("#error")


def command_paints(narrow_weights, photo, hole, folder):
    Image.fromarray(~hole).save(folder / "mask.png")
    command = [sys.executable, "-m", "madf_jax", "inpaint", f"--weights={narrow_weights}"]
    files = [f"--image={photo}", f"--mask={folder / 'mask.png'}", f"--output={folder / 'out.png'}"]
    subprocess.run([*command, *files], cwd=ROOT, check=True)
    return pixels(folder / "out.png")


def assert_same(found, wanted, image, hole):
    """Within one level in the hole, exactly the image elsewhere."""
    np.testing.assert_array_equal(found[~hole], image[~hole])
    assert np.any(found[hole] != image[hole])
    assert np.abs(found.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("width", [20, 45])
def test_a_stroke_is_filled_with_the_pixels_of_the_command(
    width, new_page, narrow_weights, photo, tmp_path
):
    """Narrow ones at full size, wide ones coarse to fine."""
    page = new_page()
    open_image(page, photo)
    page.fill("#size", str(width))
    CANVAS.stroke(page, (0.3, 0.5), (0.5, 0.6), (0.6, 0.5))
    hole = CANVAS.marked(page)
    assert 0.01 < hole.mean() < 0.5
    assert page.is_disabled("#download")
    fill(page)
    result = download(page, DOWNLOAD, tmp_path)
    assert result.name == "photo_painted.png"
    wanted = command_paints(narrow_weights, photo, hole, tmp_path)
    assert_same(pixels(result), wanted, pixels(photo), hole)


def test_a_wide_stroke_takes_its_detail_from_where_the_command_does(
    new_page, narrow_weights, tmp_path
):
    image = np.random.default_rng(0).integers(0, 256, (180, 240, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "photo.png")
    page = new_page()
    open_image(page, tmp_path / "photo.png")
    page.fill("#size", "45")
    CANVAS.stroke(page, (0.2, 0.3), (0.5, 0.4), (0.4, 0.6))
    hole = CANVAS.marked(page)
    fill(page)
    wanted = command_paints(narrow_weights, tmp_path / "photo.png", hole, tmp_path)
    found = pixels(download(page, DOWNLOAD, tmp_path))
    assert_same(found, wanted, image, hole)


def test_half_transparent_pixels_keep_their_colors(new_page, narrow_weights, photo, tmp_path):
    image = np.dstack([pixels(photo), np.tile(np.arange(120, dtype=np.uint8), (90, 1))])
    Image.fromarray(image).save(tmp_path / "photo.png")
    page = new_page()
    open_image(page, photo)
    CANVAS.stroke(page, (0.0, 0.5), (0.3, 0.5))
    hole = CANVAS.marked(page)
    fill(page)
    wanted = command_paints(narrow_weights, photo, hole, tmp_path)
    assert_same(pixels(download(page, DOWNLOAD, tmp_path)), wanted, image, hole)


def test_nothing_can_be_sent_elsewhere(new_page):
    page = new_page()
    page.wait_for_selector("#device:has-text('Runs on')")
    ask = """async () => {
      try { await fetch("http://127.0.0.1:9/"); } catch (error) { return error.message; }
    }"""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        ask = ask.replace("9", str(elsewhere.getsockname()[1]))
        for part in (page, page.workers[0]):
            assert part.evaluate(ask) == "Failed to fetch"
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_any_static_server_will_do(new_page, server, start, photo, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = next(server.temporary.glob("madf_jax_*"))
    process, _ = start("-m", "http.server", str(port), "--bind=127.0.0.1", f"--directory={folder}")
    assert process.stdout.readline().startswith("Serving HTTP")
    page = new_page(f"http://127.0.0.1:{port}/")
    page.wait_for_selector("#device:has-text('WebAssembly, 1 thread')")
    open_image(page, photo)
    CANVAS.stroke(page, (0.3, 0.5), (0.6, 0.5))
    fill(page)


def test_the_demo_lets_the_page_use_threads(new_page, server):
    page = new_page()
    assert page.evaluate("crossOriginIsolated")
    page.wait_for_selector("#device:has-text('Runs on WebAssembly')")
    with urllib.request.urlopen(f"{server.url}/runtime/ort.min.mjs") as answer:
        assert answer.headers["content-type"] == "text/javascript"


def test_marks_are_erased_undone_and_cleared(new_page, photo):
    page = new_page()
    open_image(page, photo)
    assert page.is_disabled("#undo") and page.is_disabled("#clear")
    CANVAS.stroke(page, (0.3, 0.5), (0.6, 0.5))
    once = CANVAS.marked(page)
    page.click("text=Eraser")
    CANVAS.stroke(page, (0.5, 0.4), (0.5, 0.6))
    erased = CANVAS.marked(page)
    assert (erased <= once).all() and 0 < erased.sum() < once.sum()
    page.click("#undo")
    np.testing.assert_array_equal(CANVAS.marked(page), once)
    page.click("#clear")
    assert not CANVAS.marked(page).any()


def test_a_filled_image_is_compared_undone_and_filled_further(new_page, photo, tmp_path):
    page = new_page()
    open_image(page, photo)
    CANVAS.stroke(page, (0.3, 0.5), (0.6, 0.5))
    hole = CANVAS.marked(page)
    fill(page)
    assert not CANVAS.marked(page).any()
    page.click("#compare")
    assert page.is_visible("#before") and page.is_visible("#divider")
    once = pixels(download(page, DOWNLOAD, tmp_path))
    page.click("#compare")
    CANVAS.stroke(page, (0.3, 0.2), (0.6, 0.2))
    fill(page)
    twice = pixels(download(page, DOWNLOAD, tmp_path))
    assert np.any(twice != once)
    page.keyboard.press("Control+z")  # the second filling
    assert CANVAS.marked(page).any()
    page.click("#undo")  # its stroke
    np.testing.assert_array_equal(pixels(download(page, DOWNLOAD, tmp_path)), once)
    page.click("#undo")  # the first filling
    np.testing.assert_array_equal(CANVAS.marked(page), hole)
    assert page.is_disabled("#download")


def test_the_keyboard_is_enough(new_page, photo):
    page = new_page()
    open_image(page, photo)
    page.focus("#mask")
    page.keyboard.down(" ")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.up(" ")
    rows, columns = np.nonzero(CANVAS.marked(page))
    assert np.ptp(columns) > np.ptp(rows) > 0
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(FILLED)


def test_a_finger_on_a_phone_is_enough(new_page, photo, tmp_path):
    page = new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    open_image(page, photo)
    CANVAS.assert_a_finger_marks(page, screen=390)
    page.tap("#fill")
    page.wait_for_selector(FILLED)
    assert pixels(download(page, DOWNLOAD, tmp_path)).shape == (90, 120, 3)


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_images_are_dropped_and_pasted(event, new_page, photo):
    page = new_page()
    content = base64.b64encode(photo.read_bytes()).decode()
    send = """([event, content]) => {
      const transfer = new DataTransfer();
      if (content) {
        const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], "photo.png", { type: "image/png" }));
      }
      const made = event === "drop"
        ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
        : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true });
      document.body.dispatchEvent(made);
    }"""
    page.evaluate(send, [event, ""])
    assert page.inner_text("#error") == "That holds no image file"
    page.evaluate(send, [event, content])
    page.wait_for_selector("#work", state="visible")
    assert CANVAS.marked(page).shape == (90, 120)


def test_mistakes_are_one_line_and_can_be_corrected(new_page, photo, tmp_path):
    page = new_page()
    (tmp_path / "broken.png").write_text("no image")
    page.set_input_files("#file", tmp_path / "broken.png")
    page.wait_for_selector(ERROR)
    assert page.inner_text("#error") == "broken.png: is no image that this browser can read"
    assert page.is_visible("#open")
    open_image(page, photo)
    assert not page.inner_text("#error")
    page.click("#fill")
    page.wait_for_selector(ERROR)
    assert "Nothing is marked yet" in page.inner_text("#error")
    page.fill("#size", "100")
    for height in np.linspace(0.05, 0.95, 5):
        CANVAS.stroke(page, (0.01, height), (0.99, height))
    page.click("#fill")
    page.wait_for_selector(ERROR)
    assert "Everything is marked" in page.inner_text("#error")


def test_an_image_that_is_too_large_is_refused_with_the_limit(new_page, tmp_path):
    page = new_page()
    Image.new("1", (10_000, 7_000)).save(tmp_path / "huge.png")
    page.set_input_files("#file", tmp_path / "huge.png")
    page.wait_for_selector(ERROR)
    assert page.inner_text("#error") == "huge.png: has 70 megapixels; this page takes 50"


def test_filling_can_be_stopped_and_begun_again(new_page, photo):
    page = new_page()
    page.route("**/model.onnx", lambda route: None)  # the worker waits for it
    page.reload()
    open_image(page, photo)
    CANVAS.stroke(page, (0.3, 0.5), (0.6, 0.5))
    page.click("#fill")
    page.wait_for_selector("#stop", state="visible")
    page.unroute("**/model.onnx")
    page.click("#stop")
    page.wait_for_selector("#status:has-text('Stopped.')")
    assert CANVAS.marked(page).any()
    fill(page)


def test_a_file_that_is_missing_is_one_line(new_page, photo):
    page = new_page()
    page.route("**/model.onnx", lambda route: route.fulfill(status=404))
    page.reload()
    open_image(page, photo)
    CANVAS.stroke(page, (0.3, 0.5), (0.6, 0.5))
    page.click("#fill")
    page.wait_for_selector(ERROR)
    assert "model.onnx" in page.inner_text("#error")
    assert "\n" not in page.inner_text("#error").strip()


def test_a_graphics_card_computes_the_same_or_is_not_used(
    browser, new_page, narrow_weights, photo, tmp_path
):
    """With the browser's own emulation of one."""
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--enable-unsafe-webgpu"]
    other = browser.browser_type.launch(
        executable_path=next(filter(None, map(shutil.which, BROWSERS))),
        args=[*arguments, "--use-webgpu-adapter=swiftshader"],
    )
    try:
        page = new_page(browser=other)
        page.wait_for_selector("#device:has-text('Runs on')")
        assert "WebGPU" in page.inner_text("#device")
        open_image(page, photo)
        CANVAS.stroke(page, (0.3, 0.5), (0.6, 0.5))
        hole = CANVAS.marked(page)
        fill(page)
        result = pixels(download(page, DOWNLOAD, tmp_path))
        assert "WebGPU" in page.inner_text("#device")
    finally:
        other.close()
    wanted = command_paints(narrow_weights, photo, hole, tmp_path)
    assert_same(result, wanted, pixels(photo), hole)


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_demo_ends_quietly_and_leaves_nothing(sent, status, start_static):
    server = start_static()
    assert list(server.temporary.glob("madf_jax_*"))
    server.process.send_signal(sent)
    errors = server.process.communicate(timeout=PATIENCE / 1000)[1]
    assert server.process.returncode == status
    assert errors == ("madf-jax: interrupted\n" if sent == signal.SIGINT else "")
    assert not list(server.temporary.glob("madf_jax_*"))
