"""Adam as optax has it, with the schedule and clipping that a run asks for."""

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from madf_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class OptimizerOptions:
    """The section `optimizer` of a config.

    Attributes:
        learning_rate: of Adam, at its highest.
        schedule: 'constant', or 'cosine' down to 0 over the run.
        warmup_steps: steps over which the learning rate rises linearly from 0; 0 for none.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        epsilon: added to the root of the second moment.
        clip_norm: the global norm that gradients are clipped to; 0 for none.
    """

    learning_rate: float = 2e-4
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = 0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    clip_norm: float = 0.0

    def __post_init__(self) -> None:
        """Raises UserError for a value out of range."""
        if self.schedule not in ("constant", "cosine"):
            raise UserError(f"optimizer.schedule is {self.schedule!r}; use 'constant' or 'cosine'")
        if not self.learning_rate > 0:
            raise UserError(f"optimizer.learning_rate is {self.learning_rate}; use more than 0")
        for name in ("warmup_steps", "clip_norm"):
            if not getattr(self, name) >= 0:
                raise UserError(f"optimizer.{name} is {getattr(self, name)}; use 0 or more")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(
                    f"optimizer.{name} is {getattr(self, name)}; use 0 or more and below 1"
                )
        if not self.epsilon > 0:
            raise UserError(f"optimizer.epsilon is {self.epsilon}; use more than 0")


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
    """A state of `make_optimizer`'s optimizer with other moments; the schedule's count stays.

    Args:
        opt_state: to take the rest from.
        mu: first moments, a tree like the parameters.
        nu: second moments, likewise.
        count: updates that made them.
    """
    return tuple(
        part._replace(mu=mu, nu=nu, count=jnp.asarray(count, jnp.int32))
        if isinstance(part, optax.ScaleByAdamState)
        else part
        for part in opt_state
    )


def last_update_norm(opt_state: Any, options: OptimizerOptions, steps: int) -> jax.Array:
    """Norm of the update that the optimizer made last, from its state: no other copy is needed.

    Args:
        opt_state: of `make_optimizer`'s optimizer, after at least one update.
        options: as given to it.
        steps: likewise.

    Returns:
        Float scalar; what it should be after no update is not defined.
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
