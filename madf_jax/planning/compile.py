"""The command `compile`: prints what a config's training step needs of a device."""

from madf_jax.config.sections import Setup
from madf_jax.planning.assignment import assigned_memory
from madf_jax.planning.chips import Chip, chip_of, devices_of
from madf_jax.planning.isolated import run_in_subprocess
from madf_jax.planning.plan import Plan, TooLarge, batch_per_device, largest, make_plan

_GB = 1e9


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
    plan = _print_plan(chip, setup, topology, target, None)
    if search:
        program = 0 if plan is None else plan.costs.program
        parts = setup.training.accumulate_steps

        def needed(multiple: int) -> float:
            batch = parts * multiple
            found = program + assigned_memory(_planned, setup, topology, target, batch)
            print(f"batch {batch} per device: {found / _GB:.2f} GB", flush=True)
            return found

        batch = parts * largest(needed, chip.memory)
        print(f"largest batch per device that fits: {batch}", flush=True)
        if batch and (plan is None or batch != plan.batch):
            _print_plan(chip, setup, topology, target, batch)
    return 0 if plan is not None and plan.fits else 1


def _print_plan(
    chip: Chip, setup: Setup, topology: str | None, target: str | None, batch: int | None
) -> Plan | None:
    """The plan, or None if the compiler could not fit it."""
    try:
        plan = run_in_subprocess(_planned, setup, topology, target, batch)
    except TooLarge as error:
        print(f"does not fit in {chip.memory / _GB:.1f} GB: {error}")
        return None
    print(format_plan(plan), flush=True)
    return plan


def _planned(setup: Setup, topology: str | None, target: str | None, batch: int | None) -> Plan:
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
