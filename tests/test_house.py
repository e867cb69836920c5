"""House rules that no linter checks."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "madf_jax"
# The floors of the house, from the middle to the edge: a room imports from lower floors only.
FLOORS = (
    {"errors", "memory", "former_keys", "imagenet"},
    {"buckets"},
    {"files", "terminal", "devices", "processes", "all_devices"},
    {"options", "command_line", "compiler"},
    {"layers"},
    {"network", "features"},
    {"objective", "data", "metrics", "state"},
    {"checkpoints", "imaging"},
    {"weights"},
    {"inference"},
    {"config"},
    {"evaluation"},
    {"training"},
    {"parity"},
    {"export"},
    {"benchmark", "planning", "web"},
    {"__main__"},
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(PACKAGE.rglob("*.py"))
IDS = [str(path.relative_to(PACKAGE)) for path in FILES]


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(tree):
    """Rooms that a file imports, also inside of functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "a relative import"
            continue
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module]
            if node.module == "madf_jax":
                modules = [f"madf_jax.{alias.name}" for alias in node.names]
        else:
            continue
        for module in modules:
            package, _, rest = module.partition(".")
            if package == "madf_jax" and rest:
                yield rest.split(".")[0]


def is_for_type_checkers(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_imports_run_one_way(path):
    room, tree = room_of(path), ast.parse(path.read_text())
    if room == "__init__":
        tree.body = [node for node in tree.body if not is_for_type_checkers(node)]
    # The package's own facts, such as its version.
    others = set(imported_rooms(tree)) - {room, "__version__"}
    if room == "__init__":
        assert not others
    else:
        assert not {other for other in others if FLOOR[other] >= FLOOR[room]}


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_modules_and_public_names_have_docstrings(path):
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.ClassDef)
    public = [n for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")]
    assert ast.get_docstring(tree)
    assert not [node.name for node in public if not ast.get_docstring(node)]


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_train_is_keyword_only_without_a_default(path):
    """A forgotten `train` must be an error, never a silent mode."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.FunctionDef) and node.name == "__call__"):
            continue
        arguments = node.args
        assert "train" not in [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
        names = [argument.arg for argument in arguments.kwonlyargs]
        if "train" in names:
            assert arguments.kw_defaults[names.index("train")] is None


@pytest.mark.parametrize(
    "modules",
    [
        "madf_jax.network madf_jax.objective.supervision madf_jax.features.vgg",
        "madf_jax.metrics.image_quality madf_jax.inference.classical madf_jax.inference.inpainter",
        "madf_jax.data.pipeline madf_jax.weights.entry madf_jax.weights.vgg",
        "madf_jax.config.sections madf_jax.checkpoints.manager madf_jax.training.step",
        "madf_jax.evaluation.evaluate madf_jax.training.loop madf_jax.benchmark.run",
    ],
)
def test_importing_loads_no_heavy_framework(modules):
    program = f"""
import importlib, sys
for module in {modules.split()}:
    importlib.import_module(module)
print(*sorted({{'tensorflow', 'torch', 'tensorflow_datasets'}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_a_config_dict_goes_no_further_than_the_room_that_parses_it(path):
    if room_of(path) != "config":
        assert "ml_collections" not in path.read_text()
