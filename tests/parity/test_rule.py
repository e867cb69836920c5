import runpy
from pathlib import Path

import numpy as np
import pytest

from madf_jax.network import MADF
from madf_jax.parity.rule import _kernel_deviation, rule_weights
from madf_jax.weights.generator import to_reference
from madf_jax.weights.table import parameter_names
from madf_jax.weights.vgg import vgg_to_reference

RECORDED = Path(__file__).parents[1] / "recorded" / "rule_weights.py"


@pytest.mark.parametrize(
    ("salt", "depth", "refinements"),
    [pytest.param("", 7, 2, marks=pytest.mark.slow), ("salt", 4, 1)],
)
def test_the_rule_equals_the_table_that_came_with_the_cases(salt, depth, refinements):
    wanted = runpy.run_path(str(RECORDED))["rule_weights"](salt, depth, refinements)
    weights = rule_weights(salt, depth, refinements)
    found = to_reference(weights.variables, weights.network) | vgg_to_reference(weights.vgg)
    assert set(found) == set(wanted)
    for name, array in wanted.items():
        # The reference never reads these; its own rule draws them all the same.
        if not name.startswith("enc_conv"):
            assert (array.dtype, array.tobytes()) == (found[name].dtype, found[name].tobytes())


def test_levels_and_decoders_beyond_the_published_ones_repeat_them():
    network = MADF(depth=9, refinements=4)
    rows = {row.name: row for row in parameter_names(network) if row.path.endswith("kernel")}
    deviations = {name: _kernel_deviation(row, network) for name, row in rows.items()}
    for name in ("filter_gen_{}.conv1.0", "enc_up_{}.0", "deconv_{}.0", "dec_ref3_{}.deconv"):
        assert deviations[f"{name.format(9)}.weight"] == deviations[f"{name.format(7)}.weight"]
    assert deviations["dec_ref3_1.weight"] == np.float32(np.sqrt(1 / (64 + 3 * 4 + 6)))


def test_the_rule_needs_at_least_three_levels():
    assert rule_weights("", 3, 0).vgg is not None
    with pytest.raises(ValueError, match="at least 3"):
        rule_weights("", 2, 0)
