"""ONNX files compute the network, at any size, and say what wrong input is."""

import dataclasses

import jax
import numpy as np
import onnx
import onnxruntime
import pytest

from madf_jax.errors import UserError
from madf_jax.export import onnx_check
from madf_jax.export.onnx_model import OPSET, write_onnx
from madf_jax.inference.inpainter import Inpainter
from madf_jax.inference.onnx_file import OPERATORS, read_onnx
from madf_jax.network import normalize
from madf_jax.weights import Weights
from madf_jax.weights.description import described_network


def relative(found, wanted):
    return np.abs(np.asarray(found, np.float64) - wanted).max() / np.abs(wanted).max()


def run(path, image, mask):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options)
    return session.run(None, {"image": image, "mask": mask})[0]


def run_bare(path, image, mask):
    return run(path, np.asarray(normalize(image)), mask.astype(np.float32))


def output_of(weights, image, mask):
    """The network in this process, ImageNet-normalized."""

    @jax.jit
    def last(variables, image, mask):
        return weights.network.apply(variables, normalize(image), mask, train=False)[-1]

    return np.asarray(last(weights.variables, image, mask))


def batch(count, height, width, seed=0):
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    return image, (generator.random((count, height, width, 1)) > 1 / 3).astype(np.uint8)


@pytest.fixture(scope="module")
def weights(make_network, make_variables):
    network = make_network(refinements=1)
    metadata = {"title": "T", "trained_hole_width": 33}
    return Weights(network, **make_variables(network), step=5, metadata=metadata)


@pytest.fixture(scope="module")
def example(weights):
    return onnx_check.Example.of(weights)


@pytest.fixture(scope="module")
def bare(weights, tmp_path_factory):
    """A file, and what was found when it was written."""
    path = tmp_path_factory.mktemp("bare") / "bare.onnx"
    return path, write_onnx(weights, path, uint8=False, dtype="float32")


@pytest.fixture(scope="module")
def composite(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("composite") / "composite.onnx"
    write_onnx(weights, path, uint8=True, dtype="float32")
    return path


def test_a_file_computes_the_network_at_any_size(weights, example, bare):
    path, facts = bare
    assert facts.deviation < 1e-5
    assert relative(run_bare(path, example.image, example.mask), example.output) < 1e-5
    image, mask = batch(1, 24, 8)
    assert relative(run_bare(path, image, mask), output_of(weights, image, mask)) < 1e-4


CASES = [(depth, refinements) for depth in range(3, 8) for refinements in range(4)]


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "refinements"), CASES)
def test_files_of_all_depths_and_refinements_compute_the_network(
    depth, refinements, make_weights, tmp_path
):
    weights, side = make_weights(depth, refinements), 2**depth
    write_onnx(weights, tmp_path / "a.onnx", uint8=False, dtype="float32")
    for size in ((1, side, side), (2, side, 2 * side), (1, 3 * side, side)):
        image, mask = batch(*size)
        found = run_bare(tmp_path / "a.onnx", image, mask)
        assert relative(found, output_of(weights, image, mask)) < 1e-4


def test_a_file_that_computes_something_else_is_not_written(
    weights, example, tmp_path, monkeypatch
):
    other = jax.tree.map(lambda leaf: leaf * np.float32(0.999), weights.params)
    monkeypatch.setattr(onnx_check.Example, "of", lambda model: example)
    with pytest.raises(UserError, match=r"off by .* of JAX's largest value; 0.0001 is allowed"):
        write_onnx(
            dataclasses.replace(weights, params=other),
            tmp_path / "a.onnx",
            uint8=False,
            dtype="float32",
        )
    assert not list(tmp_path.iterdir())


def test_the_composite_equals_the_inpainters(weights, composite):
    image, mask = batch(2, 8, 16)
    inpainter = Inpainter(weights.network, weights.variables)
    wanted = inpainter(image, list(mask), scale=1, feather=0)
    found = run(composite, image, mask)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - wanted).max() <= 1
    known = mask[..., 0] == 1
    np.testing.assert_array_equal(found[known], image[known])
    assert (found != image).any()


def test_a_composite_reads_masks_of_255_and_not_what_is_in_holes(composite):
    image, mask = batch(1, 16, 16)
    found = run(composite, image, mask)
    np.testing.assert_array_equal(run(composite, image, mask * 255), found)
    np.testing.assert_array_equal(run(composite, image * mask, mask), found)


def test_a_bare_network_does_not_read_what_is_in_holes(bare):
    path, _ = bare
    image, mask = batch(1, 16, 16)
    image, mask = np.asarray(normalize(image)), mask.astype(np.float32)
    found = run(path, image, mask)
    np.testing.assert_array_equal(run(path, np.where(mask > 0, image, np.nan), mask), found)


def test_float16_says_how_far_off_it_is(weights, example, bare, tmp_path):
    facts = write_onnx(weights, tmp_path / "a.onnx", uint8=False, dtype="float16")
    found = run_bare(tmp_path / "a.onnx", example.image, example.mask)
    assert relative(found, example.output) == pytest.approx(facts.deviation, rel=0.1)
    assert 1e-5 < facts.deviation < 2e-2
    assert read_onnx(tmp_path / "a.onnx").facts["deviation"] == facts.deviation
    sizes = [
        sum(len(constant.raw_data) for constant in onnx.load(path).graph.initializer)
        for path in (tmp_path / "a.onnx", bare[0])
    ]
    assert sizes[0] < 0.55 * sizes[1]


def test_weights_beyond_float16_are_refused(make_weights, tmp_path):
    weights = make_weights(refinements=0)
    weights.params["recovery_decoder"]["level_1"]["fuse"]["bias"][0] = 1e6
    with pytest.raises(UserError, match="level_1/fuse/bias' holds values beyond those of float16"):
        write_onnx(weights, tmp_path / "a.onnx", uint8=False, dtype="float16")
    assert not list(tmp_path.iterdir())


def test_a_file_says_what_it_is(weights, bare):
    path, facts = bare
    proto, file = onnx.load(path), read_onnx(path)
    (opset,) = proto.opset_import
    assert (opset.domain, opset.version, facts.opset) == ("", OPSET, OPSET)
    assert file.multiple == 8 and file.metadata == weights.metadata
    assert described_network(file.facts["network"]) == weights.network
    assert (file.facts["step"], file.facts["uint8"]) == (5, False)
    assert (file.facts["dtype"], file.facts["deviation"]) == ("float32", facts.deviation)


def test_the_graphs_hold_the_operators_that_are_let_through(bare, composite):
    protos = [onnx.load(path) for path in (bare[0], composite)]
    for proto in protos:
        onnx.checker.check_model(proto, full_check=True)
    assert {node.op_type for proto in protos for node in proto.graph.node} == OPERATORS
    bounds = {tensor.name: tuple(tensor.dims) for tensor in protos[1].graph.initializer}
    assert bounds["black"] == bounds["one"] == ()  # as other runtimes want it


WRONG = {
    "a side that is no multiple": ((1, 12, 16, 3), (1, 12, 16, 1), "Concat"),
    "a mask of another size": ((1, 16, 16, 3), (1, 24, 16, 1), "broadcast|[Dd]imension"),
    "a mask for another number of images": ((2, 16, 16, 3), (1, 16, 16, 1), "Concat|re-use"),
    "four channels": ((1, 16, 16, 4), (1, 16, 16, 1), "invalid dimensions for input: image"),
    "a mask without channels": ((1, 16, 16, 3), (1, 16, 16), "Invalid rank for input: mask"),
}


@pytest.mark.parametrize("uint8", [False, True], ids=["bare", "composite"])
def test_wrong_sizes_and_dtypes_are_refused_by_onnxruntime(uint8, bare, composite):
    path = composite if uint8 else bare[0]
    dtype, other = (np.uint8, np.float32) if uint8 else (np.float32, np.uint8)
    for image, mask, reason in WRONG.values():
        with pytest.raises(Exception, match=reason):
            run(path, np.ones(image, dtype), np.ones(mask, dtype))
    for image, mask in ((dtype, other), (other, dtype)):
        with pytest.raises(Exception, match="Unexpected input data type"):
            run(path, np.ones((1, 16, 16, 3), image), np.ones((1, 16, 16, 1), mask))
