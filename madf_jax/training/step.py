"""The training step, a pure function of state and batch on one device."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from madf_jax.features.vgg import VGG16
from madf_jax.network import MADF, normalize
from madf_jax.objective.supervision import Objective, total_loss
from madf_jax.state.train_state import AXIS, TrainState

Batch = dict[str, jax.Array]
Metrics = dict[str, jax.Array]


def train_step(
    state: TrainState,
    batch: Batch,
    vgg_variables: Any,
    *,
    network: MADF,
    objective: Objective,
    tx: optax.GradientTransformation,
    vgg: VGG16,
    ema_decay: float,
    accumulate: int = 1,
    prepare: Callable[[jax.Array], jax.Array] = normalize,
) -> tuple[TrainState, Metrics]:
    """One training step on one device, under the mapped axis `AXIS` over all devices.

    A step whose gradient is not finite is skipped: it increments the counters and changes nothing
    else.

    Args:
        state: the same on every device.
        batch: this device's share: `image` (n, H, W, 3) and `mask` (n, H, W, 1), both uint8, mask 1
            = known.
        vgg_variables: frozen variables of `vgg`; None if the objective doesn't need them.
        network: static, like all arguments below.
        objective: the loss.
        tx: the optimizer.
        vgg: the feature network.
        ema_decay: decay of the averaged parameters, if the state keeps them.
        accumulate: number of micro-batches that the share is split into. They are computed one
            after another, each with its own batch statistics; n must be a multiple.
        prepare: maps the batch's images to the network's input. Recorded cases hold normalized
            images and pass the identity.

    Returns:
        The state after the step, the same on every device, and float32 scalars averaged over all
        devices: `loss`, each term of the objective, `grad_norm` and `skipped_in_row`.
    """

    def features(image: jax.Array) -> tuple[jax.Array, ...]:
        return vgg.apply(vgg_variables, image)

    def loss(params: Any, batch: Batch) -> tuple[jax.Array, tuple[Metrics, Any]]:
        image, mask = prepare(batch["image"]), batch["mask"].astype(jnp.float32)
        variables = {"params": params, "batch_stats": state.batch_stats}
        outputs, updates = network.apply(
            variables, image, mask, train=True, mutable=["batch_stats"]
        )
        outputs = [output.astype(image.dtype) for output in outputs]
        total, terms = total_loss(
            objective,
            outputs,
            image,
            mask,
            features if vgg_variables is not None else None,
            remat=network.remat == "everything",
        )
        # Inside the differentiated function: synchronized batch statistics couple the devices'
        # losses.
        return _mean_over_devices(total), (terms, updates["batch_stats"])

    def differentiate(batch: Batch) -> Any:
        return jax.value_and_grad(loss, has_aux=True)(state.params, batch)

    # The gradients of all micro-batches are summed before devices exchange them, once a step.
    (total, (terms, batch_stats)), grads = _mean_over_parts(differentiate, batch, accumulate)
    grads, terms, batch_stats = _mean_over_devices((grads, terms, batch_stats))
    norm = optax.tree.norm(grads)

    def update(state: TrainState) -> TrainState:
        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return state.replace(
            params=params,
            batch_stats=batch_stats,
            opt_state=opt_state,
            ema=_update_ema(state.ema, params, state.step, ema_decay),
            skipped_in_row=jnp.zeros_like(state.skipped_in_row),
        )

    def skip(state: TrainState) -> TrainState:
        return state.replace(skipped=state.skipped + 1, skipped_in_row=state.skipped_in_row + 1)

    # With the condition XLA also knows that nobody reads the old parameters any more, so they are
    # updated in place.
    state = lax.cond(jnp.isfinite(norm), update, skip, state)
    metrics = {
        "loss": total,
        **terms,
        "grad_norm": norm,
        "skipped_in_row": state.skipped_in_row.astype(jnp.float32),
    }
    return state.replace(step=state.step + 1), metrics


def _mean_over_parts(function: Callable[[Batch], Any], batch: Batch, parts: int) -> Any:
    """Applies a function to the parts of a batch in turn and averages the results."""
    if parts == 1:
        return function(batch)
    cut = jax.tree.map(lambda x: x.reshape(parts, -1, *x.shape[1:]), batch)

    def add(sums: Any, part: Batch) -> tuple[Any, None]:
        def summed(so_far: jax.Array, value: jax.Array) -> jax.Array:
            # Counts are equal for all parts.
            return so_far + value / parts if _is_floating(value) else value

        return jax.tree.map(summed, sums, function(part)), None

    first = jax.tree.map(lambda x: x[0], cut)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(function, first))
    return lax.scan(add, zeros, cut)[0]


def _mean_over_devices(tree: Any) -> Any:
    # On a CPU, XLA copies what a single device reduces with itself.
    if lax.axis_size(AXIS) == 1:
        return tree
    # Counts are equal everywhere, and a mean would make them floats.
    return jax.tree.map(lambda x: lax.pmean(x, AXIS) if _is_floating(x) else x, tree)


def _is_floating(x: jax.Array) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)


def _update_ema(ema: Any, params: Any, step: jax.Array, decay: float) -> Any:
    if ema is None:
        return None
    # A short memory at first: otherwise the random initialization would stay in the average for
    # 1 / (1 - decay) steps.
    warm = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return optax.incremental_update(params, ema, 1.0 - warm)
