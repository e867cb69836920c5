"""The PyTorch reference's numbers: network, losses and the training step compute the same."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from madf_jax.parity.case import read_case
from madf_jax.parity.recorded import compare_case, output_errors
from madf_jax.parity.rule import rule_weights
from madf_jax.parity.tolerances import FACTOR, ZERO_NOTE

RECORDED = Path(__file__).parents[1] / "recorded"


def load(name):
    case = read_case(RECORDED / f"golden_{name}.npz")
    return case, rule_weights(case.salt, case.depth, case.refinements)


@pytest.mark.parametrize(
    ("name", "devices", "compared", "left_out"),
    [
        ("6x0", 1, 12, 0),
        # Two devices: averages over one device are trivial.
        pytest.param("5x1", 2, 263, 16, marks=pytest.mark.slow),
        pytest.param("5x1", 1, 263, 16, marks=pytest.mark.slow),
        pytest.param("7x2", 1, 487, 36, marks=pytest.mark.slow),
    ],
)
def test_float64_equals_the_reference(name, devices, compared, left_out):
    deviations = compare_case(*load(name), "float64", jax.devices()[:devices])
    assert [one for one in deviations if not one.passed] == []
    skipped = [one for one in deviations if one.error is None]
    assert (len(deviations) - len(skipped), len(skipped)) == (compared, left_out)
    # Only the biases of transposed convolutions that a batch norm follows.
    assert {one.note for one in skipped} <= {ZERO_NOTE}
    assert all(one.name.endswith((".deconv.bias", ".0.bias")) for one in skipped)
    assert jnp.ones(1).dtype == jnp.float32


@pytest.mark.parametrize("name", ["6x0", "5x1", pytest.param("7x2", marks=pytest.mark.slow)])
def test_float32_outputs_deviate_no_more_than_the_references_own(name):
    case, weights = load(name)
    errors = output_errors(case, weights, "float32")
    allowed = FACTOR * case.numbers("eval/torch_float32_relative_error")
    assert (errors <= allowed).all(), (errors, allowed)
