"""Adam from optax, with the schedule and clipping of a config."""

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from madf_jax.options import check, option


@dataclasses.dataclass(frozen=True)
class OptimizerOptions:
    """The section `optimizer` of a config."""

    learning_rate: float = option(2e-4, "of Adam, at its highest", above=0)
    schedule: Literal["constant", "cosine"] = option(
        "constant", "'constant' or 'cosine' (down to 0 over the run)"
    )
    warmup_steps: int = option(0, "steps of a linear rise from 0", minimum=0)
    beta1: float = option(0.9, "decay of the first moment", minimum=0, below=1)
    beta2: float = option(0.999, "decay of the second moment", minimum=0, below=1)
    epsilon: float = option(1e-8, "added to the root of the second moment", above=0)
    clip_norm: float = option(
        0.0, "global norm that gradients are clipped to; 0 = no clipping", minimum=0
    )

    def __post_init__(self) -> None:
        """Raises UserError for a value out of range."""
        check("optimizer", self)


def make_schedule(options: OptimizerOptions, steps: int) -> optax.Schedule:
    """The learning rate as a function of the step, for a run of so many steps."""
    peak, warmup = options.learning_rate, options.warmup_steps
    if options.schedule == "cosine":
        main = optax.cosine_decay_schedule(peak, max(steps - warmup, 1))
    else:
        main = optax.constant_schedule(peak)
    if warmup == 0:
        return main
    return optax.join_schedules([optax.linear_schedule(0.0, peak, warmup), main], [warmup])


def with_adam(opt_state: Any, mu: Any, nu: Any, count: int) -> Any:
    """Replaces Adam's moments in a state of `make_optimizer`'s optimizer.

    Args:
        opt_state: the state; the schedule keeps its count.
        mu: first moments, a tree like the parameters.
        nu: second moments, likewise.
        count: number of updates behind the moments.
    """
    return tuple(
        part._replace(mu=mu, nu=nu, count=jnp.asarray(count, jnp.int32))
        if isinstance(part, optax.ScaleByAdamState)
        else part
        for part in opt_state
    )


def last_update_norm(opt_state: Any, options: OptimizerOptions, steps: int) -> jax.Array:
    """Norm of the last update, computed from the optimizer's state without another copy.

    Args:
        opt_state: of `make_optimizer`'s optimizer, after at least one update.
        options: as given to it.
        steps: likewise.

    Returns:
        Float scalar; undefined before the first update.
    """
    (adam,) = (part for part in opt_state if isinstance(part, optax.ScaleByAdamState))
    first = optax.tree.bias_correction(adam.mu, options.beta1, adam.count)
    second = optax.tree.bias_correction(adam.nu, options.beta2, adam.count)
    direction = jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + options.epsilon), first, second)
    (schedule,) = (part for part in opt_state if isinstance(part, optax.ScaleByScheduleState))
    rate = make_schedule(options, steps)(schedule.count - 1)
    return rate * optax.tree.norm(direction)


def make_optimizer(options: OptimizerOptions, steps: int) -> optax.GradientTransformation:
    """Adam (Kingma and Ba, 2015); its state is the same with and without clipping."""
    clip = optax.clip_by_global_norm(options.clip_norm) if options.clip_norm else optax.identity()
    return optax.chain(
        clip,
        optax.scale_by_adam(options.beta1, options.beta2, options.epsilon),
        optax.scale_by_learning_rate(make_schedule(options, steps)),
    )
