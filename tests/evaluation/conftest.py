"""The working directory of a run whose checkpoints were saved without training."""

import jax
import numpy as np
import pytest

from madf_jax import processes
from madf_jax.checkpoints.manager import Checkpoints
from madf_jax.config.run_config import write_run_config
from madf_jax.config.sections import from_config
from madf_jax.state.optimizer import make_optimizer
from madf_jax.state.train_state import TrainState
from tests.narrow import narrow_config

COUNT, GRIDS = 5, 3
STEPS = (4, 8, 12)
BEST = 8
"""The second is kept as the best; the parameters of each step differ."""


@pytest.fixture(scope="session")
def config():
    changes = {
        "network.refinements": 1,
        "evaluation.count": COUNT,
        "evaluation.grids": GRIDS,
        "masks.hole_max": 0.5,  # no default: what eval.py is to find in the run's config
    }
    return narrow_config(**changes)


@pytest.fixture(scope="session")
def setup(config):
    return from_config(config)


@pytest.fixture(scope="session")
def states(setup, make_variables):
    """By step; the averaged parameters are others than the trained ones."""

    def state(step):
        variables = make_variables(setup.network, step)
        begin = TrainState.create(variables, make_optimizer(setup.optimizer, 1), keep_ema=False)
        averaged = make_variables(setup.network, step + 1)["params"]
        return begin.replace(step=np.asarray(step, np.int32), ema=averaged)

    return {step: state(step) for step in STEPS}


@pytest.fixture(scope="session")
def workdir(setup, states, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "run"
    workdir.mkdir()
    with Checkpoints(workdir, keep_last=len(STEPS)) as checkpoints:
        for step, state in states.items():
            metrics = {"psnr": 20.0 if step == BEST else 10.0} if step != STEPS[-1] else None
            checkpoints.save(jax.device_put(state, jax.devices()[0]), {}, metrics)
    write_run_config(setup, workdir, 0)
    return workdir


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """JAX runs already in the process of the tests: too late to look for other processes."""
    monkeypatch.setattr(processes, "join", lambda *job: None)
