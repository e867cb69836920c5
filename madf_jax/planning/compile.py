"""The command `compile`: prints what a config's training step needs of a device."""

import functools
from collections.abc import Callable

from madf_jax.config.sections import Setup
from madf_jax.planning.assignment import assigned_memory
from madf_jax.planning.chips import Chip, chip_of, devices_of
from madf_jax.planning.isolated import run_in_subprocess
from madf_jax.planning.plan import Plan, TooLarge, batch_per_device, largest, make_plan

_GB = 1e9
# Compiles for so many images on each device, or for those of the config; pickles.
_PlanFor = Callable[[int | None], Plan]


def compile_step(
    setup: Setup,
    topology: str | None,
    target: str | None,
    *,
    search: bool,
) -> int:
    """Compiles the step and prints what it needs; `environment` must have been used.

    Args:
        setup: the sections of the run's config.
        topology: a TPU slice, or None.
        target: GPUs of one host, or None.
        search: also find the largest batch per device that fits, and compile it.

    Returns:
        0, or 1 if the step does not fit.

    Raises:
        UserError: the topology or the step can't be compiled.
    """
    chip = chip_of(topology, target)
    plan_for = functools.partial(_make_plan_for, setup, topology, target)
    plan = _compile_and_print(chip, plan_for, None)
    if search:
        _search(chip, plan_for, setup.training.accumulate_steps, plan)
    return 0 if plan is not None and plan.fits else 1


def _search(chip: Chip, plan_for: _PlanFor, parts: int, plan: Plan | None) -> None:
    """Finds the largest batch by the memory that is assigned, and compiles it to see it fit.

    Args:
        chip: the device.
        plan_for: compiles a batch.
        parts: that a batch is divided into.
        plan: of the config's batch, or None if the compiler could not fit it.
    """

    @functools.cache
    def assigned(multiple: int) -> float:
        memory = assigned_memory(plan_for, parts * multiple)
        print(f"batch {parts * multiple} per device: {memory / _GB:.2f} GB assigned", flush=True)
        return memory

    limit = chip.memory - (0 if plan is None else plan.costs.program)
    while multiple := largest(assigned, limit):
        batch = parts * multiple
        if plan is None or plan.batch != batch:
            plan = _compile_and_print(chip, plan_for, batch)
        if plan is not None and plan.fits:
            break
        limit = assigned(multiple) - 1
    print(f"largest batch per device that fits: {parts * multiple}")


def _compile_and_print(chip: Chip, plan_for: _PlanFor, batch: int | None) -> Plan | None:
    """The plan, or None if the compiler could not fit it."""
    try:
        plan = run_in_subprocess(plan_for, batch)
    except TooLarge as error:
        print(f"does not fit in {chip.memory / _GB:.1f} GB: {error}", flush=True)
        return None
    print(format_plan(plan), flush=True)
    return plan


def _make_plan_for(
    setup: Setup, topology: str | None, target: str | None, batch: int | None
) -> Plan:
    """Compiles for `batch` images on each device; None stands for those of the config."""
    chip, devices = devices_of(topology, target)
    if batch is None:
        batch = batch_per_device(setup.training, len(devices))
        if batch * len(devices) != setup.training.batch_size:
            print(
                f"training.batch_size={setup.training.batch_size} is not divisible by "
                f"{len(devices)} devices: compiling for {batch} per device, "
                f"{batch * len(devices)} in all",
                flush=True,
            )
    return make_plan(setup, chip, devices, batch)


def format_plan(plan: Plan) -> str:
    """A few lines for a person."""
    chip, costs = plan.chip, plan.costs
    traffic = (
        f"{1e3 * plan.traffic:.2f} ms (arguments read once and results written once: "
        f"{(costs.arguments + costs.results) / _GB:.2f} GB at {chip.bandwidth / _GB:.0f} GB/s)"
    )
    arithmetic, step = "not counted by this compiler", f"at least {1e3 * plan.traffic:.2f} ms"
    if costs.flop:
        rate = costs.flop / plan.arithmetic / 1e12
        arithmetic = (
            f"{1e3 * plan.arithmetic:.2f} ms ({costs.flop / 1e12:.3f} TFLOP at {rate:.0f} TFLOP/s)"
        )
        share = plan.arithmetic / plan.floor
        step = f"at least {1e3 * plan.floor:.2f} ms, at most {share:.0%} of peak arithmetic"
    return "\n".join(
        [
            f"{chip.name}, {plan.devices} devices, {plan.batch} images on each; "
            f"compiled in {costs.seconds:.0f} s. Per device and step:",
            f"  memory      {costs.memory / _GB:.2f} GB of {chip.memory / _GB:.1f} GB: "
            f"arguments {costs.arguments / _GB:.2f}, temporaries {costs.temporaries / _GB:.2f}, "
            f"output {costs.outputs / _GB:.2f}, program {costs.program / _GB:.2f}",
            f"  arithmetic  {arithmetic}",
            f"  traffic     {traffic}",
            f"  step        {step}",
            f"  fits        {'yes' if plan.fits else 'no'}",
        ]
    )
