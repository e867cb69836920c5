"""A network's arguments: written, read as if a stranger wrote them, and inferred from shapes."""

import json

import pytest

from madf_jax.errors import UserError
from madf_jax.network import MADF
from madf_jax.weights.description import (
    count_levels,
    describe_network,
    described_network,
    infer_network,
    network_shapes,
)
from madf_jax.weights.names import reference_names
from madf_jax.weights.table import parameter_names

SIZES = [(3, 0), (5, 1), (8, 3)]


def theirs(network):
    return {row.name: row.reference_shape for row in parameter_names(network)}


@pytest.mark.parametrize("network", [MADF(), MADF(depth=3, widths=[4, 6], dtype="bfloat16")])
def test_a_description_names_the_same_network(network):
    text = json.dumps(describe_network(network))
    found = described_network(json.loads(text))
    assert network_shapes(found) == network_shapes(network)
    assert describe_network(found) == describe_network(network)
    assert found.dtype is None  # how it computes is no matter of weights


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": None}, "its network's depth is None; use a whole number, from 3 to 16"),
        ({"depth": 7.0}, "depth is 7.0; use a whole number"),
        ({"depth": True}, "depth is True; use a whole number"),
        ({"depth": 10**9}, "depth is 1000000000; use from 3 to 16"),
        ({"depth": 2}, "depth is 2; use from 3 to 16"),
        ({"refinements": -1}, "refinements is -1; use from 0 to 16"),
        ({"widths": 16}, "widths is 16; use whole numbers in parentheses"),
        ({"widths": []}, r"widths is \(\); use whole numbers in parentheses"),
        ({"widths": "16"}, "widths is '16'; use whole numbers in parentheses"),
        ({"widths": [2**40]}, r"widths is \(1099511627776,\); use numbers, each from 1 to 65536"),
        ({"widths": [16] * 1000}, "widths has 1000 numbers; use at most 16"),
        ({"kernel_sizes": [4]}, "each odd and from 1 to 65536"),
        ({"norm_hidden": 0}, "norm_hidden is 0"),
        ({"color": "red"}, "must be described by depth, refinements"),
    ],
)
def test_bad_descriptions_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        described_network({**describe_network(MADF()), **change})


@pytest.mark.parametrize("arguments", [None, [], "MADF", {}, {"depth": 7}])
def test_what_is_no_description_is_refused(arguments):
    with pytest.raises(UserError, match="must be described by depth, refinements"):
        described_network(arguments)


@pytest.mark.parametrize("size", [(4, 0), (7, 2)])
def test_the_published_network_is_inferred_in_its_own_arguments(size):
    depth, refinements = size
    network = MADF(depth=depth, refinements=refinements)
    assert infer_network(theirs(network)) == network
    assert infer_network(network_shapes(network)) == network


@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_inferred_from_either_side_s_shapes(size, make_narrow):
    network = make_narrow(*size)
    if not network.refinements:  # nothing in such a file implies it
        network = network.clone(norm_hidden=MADF().norm_hidden)
    assert infer_network(theirs(network)) == network
    assert infer_network(network_shapes(network)) == network


def test_one_tensor_of_another_size_changes_one_size_only(make_narrow):
    shapes = theirs(make_narrow(4, 2))
    shapes["filter_gen_2.conv.0.weight"] = (11, 9, 5, 5)
    assert infer_network(shapes) == make_narrow(4, 2)


@pytest.mark.parametrize("shape", [(), (3,), (0, 2, 1, 1), (2**40, 2, 1, 1), (2, 3, 4, 5, 6)])
def test_a_tensor_of_no_convolution_counts_as_the_default(shape, make_narrow):
    found = infer_network({**theirs(make_narrow()), "enc_up_1.0.weight": shape})
    assert found.skip_widths == (64, 12, 13)


@pytest.mark.parametrize("size", SIZES)
def test_levels_and_decoders_are_counted_by_either_side_s_names(size):
    table = reference_names(*size)
    assert count_levels(row.name for row in table) == size
    ours = [f"{row.collection}/{row.path}" for row in table if row.collection != "unused"]
    assert count_levels(ours) == size


def test_names_of_no_generator_are_refused():
    with pytest.raises(UserError, match="no generator of MADF; its names are 'a', 'b'"):
        count_levels(["a", "b"])


@pytest.mark.parametrize("size", [(17, 0), (3, 17)])
def test_endless_tables_are_refused(size):
    depth, refinements = size
    names = [f"enc_up_{i}.0.weight" for i in range(1, depth + 1)]
    names += [f"dec_ref{j}_1.weight" for j in range(refinements)]
    with pytest.raises(UserError, match=f"{depth} levels and {refinements} refinement decoders"):
        count_levels(names)
