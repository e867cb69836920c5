"""Programs of StableHLO: they compute what the network computes, here and anywhere."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

import madf_jax
from madf_jax.export.request import Request
from madf_jax.export.stablehlo import export_network, inference_leaves, write_stablehlo
from madf_jax.export.writing import write
from madf_jax.network import normalize
from madf_jax.weights import Weights

DOCUMENT = Path(__file__).parents[2] / "docs" / "export.md"
SIZES = ((1, 1, 1), (2, 1, 2), (1, 3, 2))
"""Batch, height and width, in multiples of a network's."""

COMPARE = """
import jax, numpy as np
for name in NAMES:
    model = jax.export.deserialize(bytearray(open(name + ".stablehlo", "rb").read()))
    for index in range(SIZES):
        case = np.load(f"{name}-{index}.npz")
        found = np.asarray(model.call(case["image"], case["mask"]))
        error = np.abs(found - case["output"]).max() / np.abs(case["output"]).max()
        print(name, index, error)
"""


def deserialize(path):
    return jax.export.deserialize(bytearray(path.read_bytes()))


def write_cases(weights, folder, name, make_batch):
    """A program, and what the network makes of inputs of several sizes."""
    write_stablehlo(weights, folder / f"{name}.stablehlo")
    apply = jax.jit(lambda *arrays: weights.network.apply(*arrays, train=False)[-1])
    side = 2**weights.network.depth
    for index, (count, *multiples) in enumerate(SIZES):
        height, width = (side * multiple for multiple in multiples)
        image, mask = make_batch(count, max(height, width), seed=index)
        image, mask = (array[:, :height, :width] for array in (normalize(image), mask))
        mask = mask.astype(np.float32)
        arrays = {"image": image, "mask": mask, "output": apply(weights.variables, image, mask)}
        np.savez(folder / f"{name}-{index}.npz", **arrays)


def check_cases(names, run_without_package):
    printed = run_without_package(f"NAMES, SIZES = {names}, {len(SIZES)}\n{COMPARE}")
    errors = {line.rsplit(" ", 1)[0]: float(line.split()[-1]) for line in printed.splitlines()}
    assert len(errors) == len(names) * len(SIZES)
    assert max(errors.values()) < 1e-6, errors


@pytest.mark.slow
def test_without_the_package_it_computes_the_network(
    make_weights, make_batch, run_without_package, tmp_path
):
    write_cases(make_weights(3, 1), tmp_path, "m", make_batch)
    check_cases(["m"], run_without_package)


@pytest.mark.slow
def test_every_depth_and_number_of_decoders_computes_the_network(
    make_weights, make_batch, run_without_package, tmp_path
):
    names = []
    for depth in range(3, 8):
        for refinements in range(4):
            names.append(f"{depth}x{refinements}")
            write_cases(make_weights(depth, refinements), tmp_path, names[-1], make_batch)
    check_cases(names, run_without_package)


def test_the_program_in_the_docs_paints_without_the_package(
    make_weights, make_batch, run_without_package, tmp_path
):
    weights = make_weights(5, 0)  # the docs' multiple of 32
    write_stablehlo(weights, tmp_path / "model.stablehlo", uint8=True)
    image, mask = (array[0] for array in make_batch(1, 40))
    Image.fromarray(image).save(tmp_path / "photo.png")
    Image.fromarray(255 * mask[..., 0]).save(tmp_path / "mask.png")
    section = DOCUMENT.read_text().split("## StableHLO")[1]
    run_without_package(re.search(r"```python\n(.*?)```", section, re.DOTALL)[1])
    inpainter = madf_jax.Inpainter(weights.network, weights.variables)
    image, mask = image[:32, :32], mask[:32, :32, 0] > 0
    painted = inpainter(image, mask, scale=1, feather=0)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "painted.png")), painted)


def test_it_is_the_same_computation_for_every_platform(make_weights):
    """A CPU's own forms gather windows and depend on sizes; TPUs and GPUs have none."""
    weights = make_weights(3, 1)
    leaves, options = inference_leaves(weights, "float32"), {"uint8": True, "separate": True}
    programs = [
        export_network(weights.network, leaves, platforms=(platform,), **options)
        for platform in ("cpu", "tpu")
    ]
    text = programs[0].mlir_module()
    assert text == programs[1].mlir_module()
    assert "stablehlo.convolution" in text and "gather" not in text
    # Nor does it name the files of the machine that wrote it.
    assert b".py" not in bytes(programs[0].serialize())
    assert jax.config.jax_traceback_in_locations_limit != 0  # as it was


@pytest.mark.parametrize("uint8", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_an_inpainter_paints_with_it_what_it_paints_with_the_weights(
    make_weights, make_batch, tmp_path, uint8
):
    weights = make_weights(metadata={"trained_hole_width": 7.0})
    write_stablehlo(weights, tmp_path / "m.stablehlo", uint8=uint8)
    image, mask = (array[0] for array in make_batch(1, 32))
    found = madf_jax.Inpainter.load(tmp_path / "m.stablehlo")
    assert found.trained_width == 7.0
    wanted = madf_jax.Inpainter(weights.network, weights.variables)
    options = {"scale": 1, "feather": 0}
    np.testing.assert_array_equal(found(image, mask, **options), wanted(image, mask, **options))


@pytest.mark.slow
def test_parameters_beside_it_are_an_argument(make_weights, make_batch, tmp_path):
    weights = make_weights(step=12)
    path = tmp_path / "m.stablehlo"
    write(weights, path, Request("stablehlo", uint8=True, dtype="float16", separate=True))
    write_stablehlo(weights, tmp_path / "whole.stablehlo", uint8=True, dtype="float16")
    image, mask = make_batch(1, 16)
    parameters = load_file(tmp_path / "m.safetensors")
    apart = deserialize(path).call(parameters, image, mask)
    whole = deserialize(tmp_path / "whole.stablehlo").call(image, mask)
    np.testing.assert_array_equal(apart, whole)
    known = mask[0, ..., 0]
    painted = madf_jax.Inpainter.load(path)(image[0], known, scale=1, feather=0)
    np.testing.assert_array_equal(painted, apart[0])


@pytest.mark.slow
def test_float16_halves_what_the_parameters_take(make_weights, tmp_path):
    weights = make_weights(4, 2)
    sizes = []
    for dtype in ("float32", "float16"):
        write_stablehlo(weights, tmp_path / "m.stablehlo", dtype=dtype)
        sizes.append((tmp_path / "m.stablehlo").stat().st_size)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(weights.params))
    assert sizes[0] - sizes[1] == pytest.approx(2 * parameters, rel=0.1)


@pytest.fixture(scope="module")
def composite_model(make_network, make_variables):
    network = make_network(refinements=0)
    leaves = inference_leaves(Weights(network, **make_variables(network)), "float32")
    return export_network(network, leaves, uint8=True, separate=False, platforms=("cpu",))


def change(image, mask, *, rows=None, dtype=None, mask_rows=None, drop=False):
    image, mask = image[:, :rows], mask[:, : mask_rows or rows]
    return image.astype(dtype or image.dtype), mask[..., 0] if drop else mask


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 12}, "Division had remainder 4 when computing the value of 'height'"),
        ({"mask_rows": 8}, "inconsistency between dimension size args.1..shape.1."),
        ({"dtype": np.float32}, r"Dtype mismatch for args\[0\]: expected uint8"),
        ({"drop": True}, "Rank mismatch"),
    ],
)
def test_wrong_sizes_and_dtypes_are_refused(composite_model, make_batch, changes, message):
    with pytest.raises(ValueError, match=message):
        composite_model.call(*change(*make_batch(1, 16), **changes))


def test_the_wrong_polarity_paints_what_should_be_kept(composite_model, make_batch):
    image, mask = make_batch(1, 16)
    painted = np.asarray(composite_model.call(image, 1 - mask))
    np.testing.assert_array_equal(painted[mask[..., 0] == 0], image[mask[..., 0] == 0])
    assert (painted != image)[mask[..., 0] == 1].any()


def test_a_mask_up_to_255_is_read_as_one_up_to_1(composite_model, make_batch):
    image, mask = make_batch(1, 16)
    painted = composite_model.call(image, 255 * mask)
    np.testing.assert_array_equal(painted, composite_model.call(image, mask))
