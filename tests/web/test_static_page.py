"""The page that paints in the browser itself, as `demo --static` and other servers serve it."""

import base64
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from madf_jax import weights
from madf_jax.errors import UserError
from madf_jax.export.web_runtime import copy_runtime
from madf_jax.imaging.rasters import to_raster
from madf_jax.inference.detail import transfer_detail
from madf_jax.inference.painting import PaintOptions, paint_rasters
from madf_jax.inference.sizes import AnySize
from tests.web.canvas import Canvas, download, pixels

pytestmark = pytest.mark.web

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ROOT = Path(__file__).parents[2]
PATIENCE = 300_000  # ms, for machines that do much else
FILLED = "#status:has-text('Filled in')"
ERROR = "#error:not(:empty)"
DOWNLOAD = "#download"
CANVAS = Canvas("#mask")


@dataclasses.dataclass
class Server:
    """A process that serves the page."""

    process: subprocess.Popen
    url: str
    temporary: Path | None = None


@pytest.fixture(scope="session", autouse=True)
def runtime(tmp_path_factory):
    """Keeps a copy of onnxruntime-web where the commands look for it; only npm has it."""
    try:
        copy_runtime(tmp_path_factory.mktemp("runtime"))
    except UserError as error:
        pytest.skip(f"no page without its runtime: {error}")


@pytest.fixture(scope="session")
def narrow_weights(tmp_path_factory, make_network, make_variables):
    """Of a network whose holes were 12 pixels wide: wider ones are painted coarsely first."""
    network = make_network(refinements=1)
    variables = make_variables(network)
    path = tmp_path_factory.mktemp("weights") / "narrow.npz"
    parameters = variables["params"], variables["batch_stats"]
    weights.save(path, weights.Weights(network, *parameters, metadata={"trained_hole_width": 12.0}))
    return path


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """Starts a command that serves; what is left running is ended with the tests."""
    started = []

    def run(*command):
        temporary = tmp_path_factory.mktemp("temporary")
        process = subprocess.Popen(
            [sys.executable, "-u", *command],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(temporary), "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, temporary

    yield run
    for process in started:
        process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="session")
def start_static(start, narrow_weights):
    def run():
        arguments = ["--static", f"--weights={narrow_weights}", "--port=0"]
        process, temporary = start("-m", "madf_jax", "demo", *arguments)
        for line in process.stdout:
            if line.startswith("Ready: "):
                return Server(process, line.split()[1], temporary)
        raise AssertionError(process.communicate()[1])

    return run


@pytest.fixture(scope="session")
def server(start_static):
    return start_static()


@pytest.fixture
def new_page(browser, server):
    """Opens the page; fails if it, or a worker of it, asks for anything of another host."""
    contexts, elsewhere = [], []

    def open_page(url=server.url, browser=browser, **context):
        context = {"viewport": {"width": 1280, "height": 800}, **context}
        contexts.append(browser.new_context(**context))
        contexts[-1].on("request", lambda request: note(request.url, url))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(url)
        page.wait_for_selector("#start", state="visible")
        return page

    def note(asked, url):
        if not asked.startswith((url, "data:", "blob:")):
            elsewhere.append(asked)

    yield open_page
    for context in contexts:
        context.close()
    assert not elsewhere


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
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    CANVAS.swipe(page, *((share, 0.5) for share in (0.3, 0.4, 0.5, 0.6)))
    columns = np.nonzero(CANVAS.marked(page))[1]
    assert columns.min() < 0.35 * 120 and columns.max() > 0.55 * 120
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


class _Shift:
    """In place of the network: a mix with what is up and left, of known pixels only."""

    multiple = 32

    def __call__(self, image, mask):
        known = np.where(mask == 1, image, 0).astype(np.float32)
        return np.minimum(0.6 * known + 0.4 * np.roll(known, (3, 5), (1, 2)) + 20, 255)

    def compile(self, shape):
        pass

    def working_bytes(self, shape):
        return float(np.prod(shape))


# How arrays come and go.
CODEC = """
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const textOf = (bytes) => {
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) {
      text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    }
    return btoa(text);
  };
"""

SHIFT = """async ([content, hole, height, width, tile, trained, detail]) => {CODEC
  const { DEFAULTS, paintImage } = await import("./painting.js");
  const { anySize } = await import("./sizes.js");
  const { makeImage } = await import("./resample.js");
  const network = async ({ height, width, data }, known) => {
    const at = (y, x, c) => (known[y * width + x] ? data[3 * (y * width + x) + c] : 0);
    const output = makeImage(height, width, 3);
    output.data.forEach((_, i) => {
      const [y, x, c] = [Math.floor(i / 3 / width), Math.floor(i / 3) % width, i % 3];
      const there = at((y + height - 3) % height, (x + width - 5) % width, c);
      output.data[i] = Math.min(0.6 * at(y, x, c) + 0.4 * there + 20, 255);
    });
    return output;
  };
  const pixels = new Uint8ClampedArray(bytes(content));
  const image = { pixels, hole: bytes(hole), height, width };
  const options = { ...DEFAULTS, detail: detail ?? DEFAULTS.detail };
  const painted = await paintImage(anySize(network, 32, tile), image, trained, options);
  return textOf(painted);
}""".replace("CODEC", CODEC)

DETAIL = """async ([image, known, painted, height, width, strength]) => {CODEC
  const { transferDetail } = await import("./detail.js");
  const { makeImage } = await import("./resample.js");
  const floats = (text) => makeImage(height, width, 3, new Float32Array(bytes(text).buffer));
  const result = transferDetail(floats(image), bytes(known), floats(painted), strength);
  return textOf(new Uint8Array(result.data.buffer));
}""".replace("CODEC", CODEC)


def sent(array):
    return base64.b64encode(array.tobytes()).decode()


def received(text, like):
    return np.frombuffer(base64.b64decode(text), like.dtype).reshape(like.shape)


@pytest.mark.parametrize(
    ("size", "holes", "tile", "detail"),
    [
        ((300, 401), [(150, 200, 60)], 1024, 0),  # coarse to fine
        ((300, 401), [(0, 400, 60)], 1024, 0),  # at the border
        ((520, 1001), [(90, 90, 40), (430, 850, 90), (110, 120, 35)], 1024, 0),  # two crops
        ((700, 600), [(300, 250, 160)], 512, 0),  # tiles
        ((7, 5), [(3, 2, 2)], 1024, 0),  # smaller than the network's multiple
        ((300, 401), [(150, 200, 60)], 1024, None),  # with what each takes by default
        ((300, 401), [(0, 400, 60)], 1024, None),
    ],
)
def test_the_page_cuts_scales_tiles_and_blends_as_the_package(size, holes, tile, detail, new_page):
    y, x = np.mgrid[: size[0], : size[1]]
    hole = np.zeros(size, bool)
    for row, column, radius in holes:
        hole |= (y - row) ** 2 + (x - column) ** 2 < radius**2
    rough = np.random.default_rng(0).normal(0, 20, size)  # hardly two places are alike
    waves = [127 + 60 * np.sin(x / 7 + c) * np.cos(y / (5 + c)) + rough for c in range(3)]
    alpha = np.where(x < size[1] // 8, 0, 255)
    image = np.stack([*waves, alpha], axis=-1).clip(0, 255).astype(np.uint8)
    options = PaintOptions() if detail is None else PaintOptions(detail=detail)
    wanted = paint_rasters(
        AnySize(_Shift(), 1, tile**2), [to_raster(image)], [~hole], options, 41.0
    )[0]
    painted = new_page().evaluate(SHIFT, [sent(image), sent(hole), *size, tile, 41.0, detail])
    found = received(painted, image)
    assert np.any(wanted != image)
    np.testing.assert_array_equal(found[~hole], image[~hole])
    assert np.abs(found.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("size", [(150, 200), (300, 401)])  # all places are compared; every 4th
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_detail_comes_from_the_same_places_as_in_the_package(size, strength, new_page):
    generator = np.random.default_rng(0)
    image = generator.uniform(0, 255, (*size, 3)).astype(np.float32)
    painted = generator.uniform(0, 255, (*size, 3)).astype(np.float32)
    hole = np.zeros(size, bool)
    hole[50:100, 40:160] = True
    hole[-20:, :30] = True
    wanted = transfer_detail(image, ~hole, painted, strength)
    image[hole] = np.nan
    arguments = [sent(image), sent(~hole), sent(painted), *size, strength]
    found = received(new_page().evaluate(DETAIL, arguments), painted)
    assert np.abs(wanted - painted).max() > 10
    np.testing.assert_allclose(found, wanted, atol=0.01)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_a_place_that_has_detail_to_give_it_is_the_painting(share, new_page):
    """Nothing is known far enough from the hole, or there is no hole."""
    size = (40, 60)
    known = np.arange(40 * 60).reshape(size) % 60 < 60 * share
    painted = np.random.default_rng(0).uniform(0, 255, (*size, 3)).astype(np.float32)
    arguments = [sent(0 * painted), sent(known), sent(painted), *size, 1.0]
    np.testing.assert_array_equal(
        received(new_page().evaluate(DETAIL, arguments), painted), painted
    )


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
