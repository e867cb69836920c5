"""A small recorded case, made by this package itself: for what files may hold, not for numbers."""

import json

import jax
import numpy as np
import pytest

from madf_jax.parity.case import TERMS, read_case
from madf_jax.parity.computed import Model, precision_of, reference_sums
from madf_jax.parity.rule import rule_weights
from madf_jax.parity.training import take_steps

DEPTH, REFINEMENTS, SALT, STEPS = 3, 1, "small", 2


def nchw(array):
    return np.asarray(array).transpose(0, 3, 1, 2)


def inputs():
    generator = np.random.default_rng(0)
    image = generator.standard_normal((2, 3, 16, 24)).astype(np.float32)
    config = {"layer_size": DEPTH, "n_refinement": REFINEMENTS, "salt": SALT}
    return {
        "config": np.asarray(json.dumps({**config, "incremental_supervision": True})),
        "gt": image,
        "mask": (generator.random((2, 1, 16, 24)) > 0.4).astype(np.uint8),
    }


def sampled(array):
    array = np.asarray(array, np.float64)
    index = np.random.default_rng(1).integers(0, array.size, 5)
    return {"index": index, "value": array.ravel()[index]}


def recorded(model):
    outputs, activations = model.infer()
    losses = model.losses(outputs)
    arrays = {}
    for name, array in activations.items():
        array = nchw(array)
        stats = np.asarray([array.mean(), array.std(), np.linalg.norm(array)])
        parts = {"shape": np.asarray(array.shape), "stats": stats, **sampled(array)}
        arrays |= {f"act/{name}/{part}": value for part, value in parts.items()}
    for i, output in enumerate(outputs):
        arrays |= {f"eval/out_{i}": nchw(output[:1])}
        arrays |= {f"eval/out_{i}/norm": np.asarray([np.linalg.norm(output)])}
    sums = reference_sums(model.objective, losses)
    for there, here in TERMS.items():
        arrays |= {f"eval/loss/{there}": losses[here]}
        arrays |= {f"eval/reference_loss/{there}": np.asarray(sums[here])}
    outputs = model.outputs_in_training()
    losses = model.losses(outputs)
    for i, output in enumerate(outputs):
        arrays |= {f"train/out_{i}": nchw(output)}
    arrays |= {f"train/loss/{there}": losses[here] for there, here in TERMS.items()}
    return arrays | recorded_steps(model)


def recorded_steps(model):
    arrays, table = {}, []
    for step in take_steps(model, STEPS, jax.devices()[:1]):
        if not table:
            for name, gradient in model.by_reference_names("params", step.gradients):
                parts = {"norm": np.linalg.norm(gradient), **sampled(gradient)}
                arrays |= {f"train/grad/{name}/{part}": value for part, value in parts.items()}
        table.append([step.metrics[name] for name in (*TERMS.values(), "loss")])
    before = dict(model.by_reference_names("params", model.variables["params"]))
    for name, after in model.by_reference_names("params", step.params):
        arrays |= {f"train/param_delta_norm/{name}": np.linalg.norm(after - before[name])}
    for name, array in model.by_reference_names("batch_stats", step.batch_stats):
        if "running" in name:
            arrays |= {f"train/batch_stats/{name}": array}
    return {
        **arrays,
        "train/loss_by_step": np.asarray(table),
        "train/loss_columns": np.asarray(json.dumps([*TERMS, "total"])),
    }


@pytest.fixture(scope="session")
def small_weights():
    return rule_weights(SALT, DEPTH, REFINEMENTS)


@pytest.fixture(scope="session")
def small_case(tmp_path_factory):
    """Its inputs, without anything to compare."""
    path = tmp_path_factory.mktemp("case") / "inputs.npz"
    np.savez(path, **inputs())
    return read_case(path)


@pytest.fixture(scope="session")
def small_arrays(small_weights, small_case):
    with precision_of("float64"):
        return inputs() | recorded(Model(small_case, small_weights, "float64"))


@pytest.fixture
def write_case(small_arrays, tmp_path):
    """Writes the small case, of which `keep` takes keys and to which `more` is added."""

    def write(keep=lambda key: True, **more):
        arrays = {key: value for key, value in small_arrays.items() if keep(key)}
        path = tmp_path / "case.npz"
        np.savez(path, **{k: v for k, v in (arrays | more).items() if v is not None})
        return path

    return write
