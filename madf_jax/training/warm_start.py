"""Starts a run from converted weights, also with another number of refinement decoders."""

import dataclasses
from typing import Any

import jax
import numpy as np
from absl import logging

from madf_jax.state.optimizer import with_adam
from madf_jax.state.train_state import TrainState
from madf_jax.weights import Weights
from madf_jax.weights.generator import compare_with_network


def warm_start(fresh: TrainState, weights: Weights, *, optimizer: bool) -> TrainState:
    """The state before the first step of a run that begins with `weights`.

    Decoders missing from the weights keep their initialization, decoders missing from the network
    are dropped, and both are logged. The step starts at 0, so the run's own schedule applies.

    Args:
        fresh: the initial state of the run's network, on the host or on devices.
        weights: of a network of the same depth and widths.
        optimizer: also take Adam's moments, if there are any and the decoders are the same.

    Returns:
        The state; the parts taken from the weights are NumPy arrays.

    Raises:
        UserError: the weights fit no network of this depth and these widths.
    """
    require_fit(weights, fresh)
    params = _merge(weights.params, fresh.params)
    batch_stats = _merge(weights.batch_stats, fresh.batch_stats)
    missing = sorted(set(fresh.params) - set(weights.params))
    dropped = sorted(set(weights.params) - set(fresh.params))
    if missing:
        logging.info("init.weights: %s: not in the file, freshly initialized", ", ".join(missing))
    if dropped:
        logging.info("init.weights: %s: not in this network, dropped", ", ".join(dropped))
    ema = fresh.ema
    if ema is not None:
        # It would be forgotten after a few steps, since an average starts with a short memory.
        if weights.ema is not None:
            logging.info(
                "init.weights: the file's averaged weights are dropped; averaging restarts"
            )
        ema = jax.tree.map(np.array, params)
    opt_state = fresh.opt_state
    if optimizer and weights.adam is not None:
        if missing or dropped:
            logging.info("init.weights: Adam's moments are dropped, since the decoders differ")
        else:
            adam = weights.adam
            opt_state = with_adam(opt_state, adam.mu, adam.nu, adam.count)
            logging.info("init.weights: with Adam's moments after %d updates", adam.count)
    return dataclasses.replace(
        fresh, params=params, batch_stats=batch_stats, opt_state=opt_state, ema=ema
    )


def require_fit(weights: Weights, state: TrainState) -> None:
    """Raises UserError if the weights fit no network of the state's depth and widths.

    Args:
        weights: of any network.
        state: of the run's network; shapes and dtypes are enough.
    """
    compare_with_network(
        {
            "params": _merge(weights.params, state.params),
            "batch_stats": _merge(weights.batch_stats, state.batch_stats),
        },
        {"params": state.params, "batch_stats": state.batch_stats},
    )


def _merge(given: dict[str, Any], fresh: dict[str, Any]) -> dict[str, Any]:
    return {name: given.get(name, fresh[name]) for name in fresh}
