"""One compiled training step: what it needs of a device, and whether it fits."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax

from madf_jax.config.sections import Setup
from madf_jax.errors import UserError
from madf_jax.planning.chips import Chip
from madf_jax.training.parallel import data_mesh
from madf_jax.training.program import make_program


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the compiler says of a step. Everything is per device.

    Attributes:
        chip: the device.
        devices: how many of them the step runs on.
        batch: images.
        arguments: bytes of state, batch and frozen weights.
        outputs: bytes of results that are not written over arguments.
        temporaries: bytes.
        program: bytes of code.
        flop: operations of a step; 0 if the compiler does not count them, as that for GPUs.
        accessed: bytes read and written in a step, likewise.
        floor: seconds that a step takes at least, at the chip's published peaks.
        compile_seconds: what it took to compile.
    """

    chip: Chip
    devices: int
    batch: int
    arguments: int
    outputs: int
    temporaries: int
    program: int
    flop: float
    accessed: float
    floor: float
    compile_seconds: float

    @property
    def needed(self) -> int:
        """Bytes of memory in all."""
        return self.arguments + self.outputs + self.temporaries + self.program

    @property
    def fits(self) -> bool:
        """Whether the device's memory holds it."""
        return self.needed <= self.chip.memory


class TooLarge(Exception):
    """The compiler itself refused: the step needs more memory than the device has."""


def make_plan(setup: Setup, chip: Chip, devices: Sequence[jax.Device], batch: int) -> Plan:
    """Compiles the config's step for `batch` images on each device.

    Raises:
        TooLarge: the compiler found no way to fit it.
        UserError: it can't be compiled.
    """
    mesh = data_mesh(devices)
    start = time.perf_counter()
    try:
        lowered = make_program(setup, mesh).lower(batch * mesh.size)
        compiled = lowered.compile(compiler_options=dict(chip.compiler_options))
    except jax.errors.JaxRuntimeError as error:
        reason = " ".join(str(error).split())
        if "RESOURCE_EXHAUSTED" in reason:
            raise TooLarge(reason[:300]) from None
        raise UserError(f"the step can't be compiled for {chip.name}: {reason[:300]}") from None
    seconds = time.perf_counter() - start
    memory: Any = compiled.memory_analysis()
    cost = compiled.cost_analysis() or {}
    flop, accessed = cost.get("flops", 0.0), cost.get("bytes accessed", 0.0)
    peak = chip.flops if setup.network.dtype == "bfloat16" else chip.float32_flops
    return Plan(
        chip=chip,
        devices=mesh.size,
        batch=batch,
        arguments=memory.argument_size_in_bytes,
        outputs=memory.output_size_in_bytes - memory.alias_size_in_bytes,
        temporaries=memory.temp_size_in_bytes,
        program=memory.generated_code_size_in_bytes,
        flop=flop,
        accessed=accessed,
        floor=max(flop / peak, accessed / chip.bandwidth),
        compile_seconds=seconds,
    )


def largest(needed: Callable[[int], float], capacity: float) -> int:
    """The largest batch that fits, found with few trials, since each compiles.

    Args:
        needed: bytes by batch, growing with it about in a straight line; infinite if it can't be
            had.
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
    """Where a line through two trials meets the capacity, or half way; beyond `low`."""
    if high == math.inf:
        ends, end = sorted(tried)[-2:], 2 * low
    else:
        ends, end = [low, int(high)], int(low + high) // 2
    # Memory grows in no quite straight line, so every other guess between two ends is half way.
    if len(ends) < 2 or (high < math.inf and (low == 0 or len(tried) % 2 == 0)):
        return end
    (a, at_a), (b, at_b) = ((batch, tried[batch]) for batch in ends)
    if not at_a < at_b < math.inf:
        return end
    return max(low + 1, math.floor(a + (capacity - at_a) * (b - a) / (at_b - at_a)))
