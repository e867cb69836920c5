"""A training step compiled for a device: what it needs, and whether it fits."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import jax

from madf_jax.compiler import Costs, compile_counted
from madf_jax.config.options import TrainingOptions
from madf_jax.config.sections import Setup
from madf_jax.errors import UserError
from madf_jax.planning.chips import Chip
from madf_jax.training.parallel import data_mesh
from madf_jax.training.program import make_program


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a step needs of a device.

    Attributes:
        chip: the device.
        devices: how many of them the step runs on.
        batch: images on each.
        costs: of each, as the compiler counts them.
        arithmetic: seconds that the counted operations take at the chip's published peak.
        traffic: seconds that reading every argument once and writing every result once take at the
            published bandwidth of its memory.
    """

    chip: Chip
    devices: int
    batch: int
    costs: Costs
    arithmetic: float
    traffic: float

    @property
    def floor(self) -> float:
        """Seconds that a step takes at least, however it is scheduled.

        The compiler's own count of accessed bytes is no bound: it holds what never leaves the chip.
        """
        return max(self.arithmetic, self.traffic)

    @property
    def fits(self) -> bool:
        """Whether the device's memory holds it, with the program."""
        return self.costs.memory <= self.chip.memory


class TooLarge(Exception):
    """The compiler refused: the step needs more memory than the device has."""


def batch_per_device(training: TrainingOptions, devices: int) -> int:
    """Images on each device, rounded up where the config's batch can't be divided evenly."""
    parts = training.accumulate_steps
    return parts * -(-training.batch_size // (devices * parts))


def make_plan(setup: Setup, chip: Chip, devices: Sequence[jax.Device], batch: int) -> Plan:
    """Compiles the config's step for `batch` images on each device.

    Raises:
        TooLarge: the compiler could not fit it.
        UserError: it can't be compiled.
    """
    mesh = data_mesh(devices)
    try:
        _, costs = compile_counted(
            lambda: make_program(setup, mesh).lower(batch * mesh.size), chip.compiler_options
        )
    except jax.errors.JaxRuntimeError as error:
        reason = " ".join(str(error).split())
        if "RESOURCE_EXHAUSTED" in reason:
            raise TooLarge(reason[:300]) from None
        raise UserError(f"the step can't be compiled for {chip.name}: {reason[:300]}") from None
    peak = chip.flops if setup.network.dtype == "bfloat16" else chip.float32_flops
    traffic = (costs.arguments + costs.results) / chip.bandwidth
    return Plan(chip, mesh.size, batch, costs, costs.flop / peak, traffic)


def largest(needed: Callable[[int], float], capacity: float) -> int:
    """The largest batch that fits, found with few trials, for each of them compiles.

    Args:
        needed: bytes for a batch, nearly linear in it; infinite if the step can't be compiled.
        capacity: bytes.

    Returns:
        0 if not even one image fits.
    """
    tried: dict[int, float] = {}
    low, high, guess = 0, math.inf, 1
    while high - low > 1:
        tried[guess] = needed(guess)
        if tried[guess] <= capacity:
            low = guess
        else:
            high = guess
        guess = _next_guess(tried, low, high, capacity)
    return low


def _next_guess(tried: dict[int, float], low: int, high: float, capacity: float) -> int:
    """Where a line through two trials reaches the capacity, or the midpoint; more than `low`."""
    if high == math.inf:
        ends, end = sorted(tried)[-2:], 2 * low
    else:
        ends, end = [low, int(high)], int(low + high) // 2
    # Memory is not quite linear in the batch, so every other guess between two ends is the middle.
    if len(ends) < 2 or (high < math.inf and (low == 0 or len(tried) % 2 == 0)):
        return end
    (a, at_a), (b, at_b) = ((batch, tried[batch]) for batch in ends)
    if not at_a < at_b < math.inf:
        return end
    return max(low + 1, math.floor(a + (capacity - at_a) * (b - a) / (at_b - at_a)))
