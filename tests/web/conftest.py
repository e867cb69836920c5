"""The page of the real command, in a headless browser."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from madf_jax import weights

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 300_000  # ms, for machines that do much else


@dataclasses.dataclass
class Server:
    """A process that serves a page."""

    process: subprocess.Popen
    url: str
    temporary: Path


@dataclasses.dataclass
class Demo(Server):
    """A running `madf-jax demo`."""

    weights: Path


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory, make_network, make_variables):
    network = make_network(refinements=0)
    variables = make_variables(network)
    path = tmp_path_factory.mktemp("weights") / "narrow.npz"
    weights.save(path, weights.Weights(network, variables["params"], variables["batch_stats"]))
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
def start_demo(start, weights_file):
    def run():
        process, temporary = start(
            "-m", "madf_jax", "demo", f"--weights={weights_file}", "--port=0"
        )
        line = process.stdout.readline()
        assert line.startswith("Ready: "), process.communicate()[1]
        return Demo(process, line.split()[1], temporary, weights_file)

    return run


@pytest.fixture(scope="session")
def demo(start_demo):
    return start_demo()


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail(
            f"found none of {', '.join(BROWSERS)}; install one, for example: "
            "apt-get install chromium",
            pytrace=False,
        )
    with sync_playwright() as playwright:
        # Chromium has no sandbox for root, and containers may have little shared memory.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        launched = playwright.chromium.launch(executable_path=found, args=arguments)
        yield launched
        launched.close()


@pytest.fixture
def new_page(browser, demo):
    """Opens the page; fails if it, or one opened by the test, asks for anything of another host."""
    contexts, elsewhere = [], []

    def open_page(**context):
        context = {"viewport": {"width": 1280, "height": 800}, **context}
        contexts.append(browser.new_context(**context))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: note(request.url))
        page.goto(demo.url)
        page.wait_for_selector("#image input[type=file]", state="attached")
        return page

    def note(url):
        if not url.startswith((demo.url, "data:", "blob:")):
            elsewhere.append(url)

    yield open_page
    for context in contexts:
        context.close()
    assert not elsewhere


@pytest.fixture
def photo(tmp_path):
    """120 wide and 90 high, with smooth colors."""
    y, x = np.mgrid[0:90, 0:120]
    pixels = np.stack([2 * x, 2 * y, x + y], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png", dpi=(300, 300))
    return tmp_path / "photo.png"
