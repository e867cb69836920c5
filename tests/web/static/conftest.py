"""The page that paints in the browser itself, served by `madf-jax demo --static`."""

import pytest

from madf_jax import weights
from madf_jax.errors import UserError
from madf_jax.export.web_runtime import copy_runtime
from tests.web.conftest import PATIENCE, Server


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
