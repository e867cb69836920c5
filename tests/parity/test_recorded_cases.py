"""The PyTorch reference's numbers: the proof that network, loss and training are the same."""

from pathlib import Path

import jax.numpy as jnp
import pytest

from madf_jax.parity.case import read_case
from madf_jax.parity.recorded import FACTOR, ZERO_NOTE, compare_case, output_errors
from madf_jax.parity.rule import rule_weights

RECORDED = Path(__file__).parents[1] / "recorded"
LARGE = pytest.param("7x2", 487, 36, marks=pytest.mark.slow)


def load(name):
    case = read_case(RECORDED / f"golden_{name}.npz")
    return case, rule_weights(case.salt, case.depth, case.refinements)


@pytest.mark.parametrize(
    ("name", "compared", "left_out"), [("6x0", 12, 0), ("5x1", 263, 16), LARGE]
)
def test_float64_equals_the_reference(name, compared, left_out):
    rows = compare_case(*load(name), "float64")
    assert [row for row in rows if not row.passed] == []
    skipped = [row for row in rows if row.error is None]
    assert (len(rows) - len(skipped), len(skipped)) == (compared, left_out)
    # Only the biases of transposed convolutions that a batch norm follows.
    assert {row.note for row in skipped} <= {ZERO_NOTE}
    assert all(row.name.endswith((".deconv.bias", ".0.bias")) for row in skipped)
    assert jnp.ones(1).dtype == jnp.float32


@pytest.mark.parametrize("name", ["6x0", "5x1", pytest.param("7x2", marks=pytest.mark.slow)])
def test_float32_is_as_exact_as_the_references_own(name):
    case, weights = load(name)
    errors = output_errors(case, weights, "float32")
    allowed = FACTOR * case.numbers("eval/torch_float32_relative_error")
    assert (errors <= allowed).all(), (errors, allowed)
