"""Whether a run may be continued with a config, and what the processes of a job must share."""

import json
from collections.abc import Mapping
from typing import Any

from madf_jax.config.run_config import find_differences, has_run_config, read_run_config
from madf_jax.config.sections import Plain, Setup, all_options, to_plain
from madf_jax.errors import UserError
from madf_jax.files import AnyPath
from madf_jax.state.optimizer import OptimizerOptions, make_schedule

_NAMED = 8


def check_config(setup: Setup, workdir: AnyPath, step: int) -> None:
    """Compares with the config that a run has been trained with so far, if there is one.

    Args:
        setup: to continue with.
        workdir: of the run.
        step: steps it has taken.

    Raises:
        UserError: a key differs that changes the shapes of the saved arrays; or one that changes
            what is computed, and `training.changed_config` is 'refuse'; or the run's config can't
            be read. The message has both values.
    """
    if not has_run_config(workdir):
        return
    before = read_run_config(workdir)
    changed = [d for d in find_differences(before, to_plain(setup)) if not d.is_free]
    changed.sort(key=lambda difference: not difference.changes_shapes)
    reasons = [str(difference) for difference in changed]
    if jump := _learning_rate_jump(before, setup, step):
        reasons.append(jump)
    accept = ", or --config.training.changed_config=accept to continue with the new one"
    if any(difference.changes_shapes for difference in changed):
        accept = ": the arrays of its checkpoints have other shapes"
    elif not reasons or setup.training.changed_config == "accept":
        return
    more = f"; and {len(reasons) - _NAMED} more" if len(reasons) > _NAMED else ""
    raise UserError(
        f"{workdir} belongs to another config: {'; '.join(reasons[:_NAMED])}{more}. "
        f"Use that config or another --workdir{accept}"
    )


def describe_job(setup: Setup, data: Mapping[str, Any]) -> str:
    """What must be the same in every process of a job: a text of config and data.

    Args:
        setup: of this process.
        data: JSON-able facts on what it reads.

    Returns:
        Text without the keys that may differ between processes.
    """
    values = to_plain(setup)
    shared = {
        f"{section}.{key}": values[section][key]
        for section, options in all_options().items()
        for key, rules in options.items()
        if not rules.per_process
    }
    return json.dumps([shared, data], sort_keys=True)


def _learning_rate_jump(before: Plain, setup: Setup, step: int) -> str:
    """How another number of steps moves the learning rate of the next update; '' if it does not."""
    steps = setup.training.steps
    if before["training"]["steps"] == steps or step >= steps:
        return ""
    now = make_schedule(setup.optimizer, steps)
    try:
        then = make_schedule(
            OptimizerOptions(**before["optimizer"]), int(before["training"]["steps"])
        )
    except (TypeError, ValueError, OverflowError):  # keys or values that can't be used
        return ""
    if float(then(step)) == float(now(step)):
        return ""
    return (
        f"training.steps is {before['training']['steps']} there, {steps} now, which moves the "
        f"learning rate from {float(then(max(step - 1, 0))):.2g} at step {step} to "
        f"{float(now(step)):.2g} at the next one"
    )
