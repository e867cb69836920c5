"""The PyTorch reference's numbers, computed by a GPU's own convolutions."""

import functools
from pathlib import Path

import jax
import numpy as np
import pytest

from madf_jax.parity.case import read_case
from madf_jax.parity.computed import Model
from madf_jax.parity.deviation import relative_error
from madf_jax.parity.recorded import compare_case, output_errors
from madf_jax.parity.rule import rule_weights
from madf_jax.parity.tolerances import TOLERANCES

pytestmark = pytest.mark.gpu

RECORDED = Path(__file__).parents[1] / "recorded"


@functools.cache
def load(name):
    case = read_case(RECORDED / f"golden_{name}.npz")
    return case, rule_weights(case.salt, case.depth, case.refinements)


@pytest.mark.parametrize(("name", "compared"), [("6x0", 12), ("5x1", 263), ("7x2", 487)])
def test_float64_equals_the_reference(name, compared, device):
    deviations = compare_case(*load(name), "float64", [device])
    assert [one for one in deviations if not one.passed] == []
    assert sum(one.error is not None for one in deviations) == compared


@pytest.mark.parametrize("name", ["6x0", "5x1", "7x2"])
def test_float32_outputs_are_within_the_tolerance(name):
    errors = output_errors(*load(name), "float32")
    assert max(errors) <= TOLERANCES["float32"]["output"], errors


@pytest.mark.parametrize("name", ["6x0", "5x1", "7x2"])
def test_float32_as_it_trains_is_closer_than_bfloat16(name):
    """A GPU rounds what it multiplies to TF32 by default: 11 significant bits; bfloat16 has 8."""
    case, weights = load(name)
    with jax.default_matmul_precision("default"):
        outputs, _ = Model(case, weights, "float32").infer()
    recorded = [case.numbers(f"eval/out_{index}") for index in range(len(outputs))]
    errors = [
        relative_error(output[: len(numbers)].transpose(0, 3, 1, 2), numbers)
        for output, numbers in zip(outputs, recorded, strict=True)
    ]
    assert (np.asarray(errors) < output_errors(case, weights, "bfloat16")).all(), errors
