"""The command `compile`: prints what a config's training step needs of a device."""

from madf_jax.config.sections import Setup
from madf_jax.planning.chips import gpu_devices, tpu_devices
from madf_jax.planning.plan import Plan, TooLarge, largest, make_plan

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
        search: also find the largest batch per device that fits.

    Returns:
        0, or 1 if the step does not fit.

    Raises:
        UserError: the topology or the step can't be compiled.
    """
    chip, devices = gpu_devices(target or "") if topology is None else tpu_devices(topology)
    total, count = setup.training.batch_size, len(devices)
    parts = setup.training.accumulate_steps
    batch = parts * -(-total // (count * parts))
    if total % (count * parts):
        print(
            f"training.batch_size={total} is not divisible by {count} devices: compiling for "
            f"{batch} per device, {batch * count} in all"
        )
    try:
        plan = make_plan(setup, chip, devices, batch)
        print(format_plan(plan))
        fits = plan.fits
    except TooLarge as error:
        print(f"does not fit in {chip.memory / _GB:.1f} GB: {error}")
        fits = False
    if search:

        def needed(multiple: int) -> float:
            batch = parts * multiple
            try:
                found: float = make_plan(setup, chip, devices, batch).costs.memory
            except TooLarge:
                found = float("inf")
            print(f"batch {batch} per device: {found / _GB:.2f} GB", flush=True)
            return found

        print(f"largest batch per device that fits: {parts * largest(needed, chip.memory)}")
    return 0 if fits else 1


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
