import importlib.util
import json
import math
import pathlib

import pytest

from madf_jax.errors import UserError
from madf_jax.weights.names import parameter_names
from madf_jax.weights.widths import Widths, infer_depth_and_refinements, infer_widths

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
    table = parameter_names(Widths.paper(depth, refinements))
    assert [(row.name, row.reference_shape) for row in table] == _recorded_rows(depth, refinements)


@pytest.mark.parametrize(
    ("refinements", "total"), [(2, 85_141_214), (1, 62_942_135), (0, 40_743_065)]
)
def test_parameter_counts_are_the_published_ones(refinements, total):
    parameters = [r for r in parameter_names(Widths.paper(7, refinements)) if r.is_parameter]
    assert sum(math.prod(row.reference_shape) for row in parameters) == total
    unused = [row for row in parameters if row.collection == "unused"]
    assert sum(math.prod(row.shape) for row in unused) == 1_248


@pytest.mark.parametrize("size", SIZES)
def test_each_name_stands_once_on_both_sides(size):
    table = parameter_names(Widths.paper(*size))
    names = [row.name for row in table]
    paths = [(row.collection, row.path) for row in table if row.collection != "unused"]
    assert len(set(names)) == len(names)
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("size", SIZES)
def test_layouts_keep_the_number_of_elements(size):
    for row in parameter_names(Widths.paper(*size)):
        assert math.prod(row.shape) == math.prod(row.reference_shape), row.name


@pytest.mark.parametrize("size", SIZES)
def test_size_is_told_from_either_side_s_names(size):
    table = parameter_names(Widths.paper(*size))
    assert infer_depth_and_refinements(row.name for row in table) == size
    ours = [f"{row.collection}/{row.path}" for row in table if row.collection != "unused"]
    assert infer_depth_and_refinements(ours) == size


@pytest.mark.parametrize("size", SIZES)
def test_widths_are_told_from_either_side_s_shapes(size, make_widths):
    widths = make_widths(*size)
    if not widths.refinements:  # nothing in such a file speaks of the modulation
        widths = Widths(**{**vars(widths), "modulation": 128})
    table = parameter_names(widths)
    theirs = {row.name: row.reference_shape for row in table}
    ours = {f"{row.collection}/{row.path}": row.shape for row in table if row.path}
    assert infer_widths(theirs, ours=False) == widths
    assert infer_widths(ours, ours=True) == widths


def test_levels_beyond_the_published_ones_repeat_the_last():
    def of_level(level):
        table = parameter_names(Widths.paper(9, 1))
        return [
            (r.name.replace(f"_{level}.", "_i."), r.shape) for r in table if f"_{level}." in r.name
        ]

    assert of_level(9) == of_level(7)


@pytest.mark.parametrize("size", [(2, 0), (3, -1)])
def test_sizes_that_are_no_network_are_refused(size):
    with pytest.raises(UserError, match="depth must be at least 3"):
        Widths.paper(*size)


@pytest.mark.parametrize("size", [(33, 0), (3, 1001)])
def test_endless_tables_are_refused(size):
    depth, refinements = size
    names = [f"enc_up_{i}.0.weight" for i in range(1, depth + 1)]
    names += [f"dec_ref{j}_1.weight" for j in range(refinements)]
    with pytest.raises(UserError, match=f"{depth} levels and {refinements} refinement decoders"):
        infer_depth_and_refinements(names)
