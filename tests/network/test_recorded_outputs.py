"""The PyTorch reference's own outputs, recorded in float64."""

import json
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from madf_jax.network import MADF
from madf_jax.weights.generator import from_reference

RECORDED = Path(__file__).parents[1] / "recorded"


@pytest.mark.slow
def test_outputs_equal_the_references_in_float64(monkeypatch):
    monkeypatch.syspath_prepend(str(RECORDED))
    from rule_weights import rule_weights

    case = np.load(RECORDED / "golden_7x2.npz")
    config = json.loads(str(case["config"]))
    depth, refinements, keep = (config[k] for k in ("layer_size", "n_refinement", "keep"))
    weights = rule_weights(config["salt"], depth, refinements)
    sys.modules.pop("rule_weights")
    generator = {k: v for k, v in weights.items() if not k.startswith("extractor.")}
    # Batch norm computes in the dtype of storage.
    network = MADF(depth=depth, refinements=refinements, param_dtype=np.float64)
    with jax.enable_x64(True):
        variables = jax.tree.map(
            lambda x: x.astype(np.float64) if x.dtype == np.float32 else x,
            from_reference(generator, network),
        )
        # Those whose outputs are kept whole.
        image = case["gt"][:keep].astype(np.float64).transpose(0, 2, 3, 1)
        mask = case["mask"][:keep].transpose(0, 2, 3, 1)
        outputs = jax.jit(lambda v: network.apply(v, image, mask, train=False))(variables)
    for index, output in enumerate(outputs):
        expected = case[f"eval/out_{index}"].transpose(0, 2, 3, 1)
        error = np.linalg.norm(output - expected) / np.linalg.norm(expected)
        assert error < 1e-9
