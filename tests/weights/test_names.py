import importlib.util
import json
import math
import pathlib

import pytest

from madf_jax.network import MADF
from madf_jax.weights.names import reference_names
from madf_jax.weights.table import parameter_names

RECORDED = pathlib.Path(__file__).parents[1] / "recorded"
SIZES = [(3, 0), (5, 1), (7, 2), (8, 3)]


def _recorded_rows(depth, refinements):
    spec = importlib.util.spec_from_file_location("rule_weights", RECORDED / "rule_weights.py")
    rules = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rules)
    rows = json.loads((RECORDED / "state_dict.json").read_text())
    return [
        (name, tuple(shape))
        for name, shape, *_ in rows
        if rules._present(name, depth, refinements) and not name.startswith("extractor.")
    ]


@pytest.mark.parametrize("depth", [4, 5, 6, 7])
@pytest.mark.parametrize("refinements", [0, 1, 2])
def test_names_shapes_and_order_are_the_reference_s(depth, refinements):
    table = parameter_names(MADF(depth=depth, refinements=refinements))
    assert [(row.name, row.reference_shape) for row in table] == _recorded_rows(depth, refinements)


@pytest.mark.parametrize(
    ("refinements", "total"), [(2, 85_141_214), (1, 62_942_135), (0, 40_743_065)]
)
def test_parameter_counts_are_the_published_ones(refinements, total):
    table = parameter_names(MADF(refinements=refinements))
    parameters = [row for row in table if row.is_parameter]
    assert sum(math.prod(row.reference_shape) for row in parameters) == total
    unused = [row for row in parameters if row.collection == "unused"]
    assert sum(math.prod(row.shape) for row in unused) == 1_248


@pytest.mark.parametrize("size", SIZES)
def test_each_name_stands_once_on_both_sides(size):
    table = reference_names(*size)
    names = [row.name for row in table]
    paths = [(row.collection, row.path) for row in table if row.collection != "unused"]
    assert len(set(names)) == len(names)
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("size", SIZES)
def test_layouts_keep_the_number_of_elements(size, make_narrow):
    for row in parameter_names(make_narrow(*size)):
        assert math.prod(row.shape) == math.prod(row.reference_shape), row.name


def test_adam_numbers_at_full_size_follow_the_recorded_state_dict():
    names = [name for name, *_ in json.loads((RECORDED / "state_dict.json").read_text())]
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    wanted = [
        n for n in names if n.split(".")[-1] not in buffers and n.split(".")[0] != "extractor"
    ]
    assert [row.name for row in reference_names(7, 2) if row.is_parameter] == wanted
