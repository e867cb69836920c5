"""Trains a run: `python train.py --config=configs/NAME.py --workdir=DIR [--config.a.b=value]`."""

import sys
from pathlib import Path

import jax
from absl import app, flags
from ml_collections import config_flags

from madf_jax.config.flags import parse_flags
from madf_jax.errors import UserError
from madf_jax.terminal import show_own_lines

STOPPED = 75
"""Exit status of a run that was asked to stop and saved: the same command goes on with it."""

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "The config of the run.", lock_config=True
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Directory for checkpoints and TensorBoard's files."
)
# The processes of a job find each other by themselves on TPU pods, under Slurm and Open MPI;
# elsewhere these three say where they are.
_COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0.")
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Processes of the job.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Which of them this is, from 0.")


def main(_: list[str]) -> None:
    """Trains as the flags say."""
    show_own_lines()
    # Imported late, so that --help and a misspelt flag answer at once.
    from madf_jax.config.sections import from_config
    from madf_jax.training import processes
    from madf_jax.training.loop import train

    try:
        setup = from_config(_CONFIG.value)
        processes.join(
            _COORDINATOR.value,
            _NUM_PROCESSES.value,
            _PROCESS_ID.value,
            setup.training.process_timeout,
        )
        finished = train(setup, Path(_WORKDIR.value))
    except UserError as error:
        processes.leave(f"train.py: {error}")
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            processes.leave(f"train.py: {processes.TOO_LARGE}")
        if jax.process_count() == 1:
            raise
        processes.leave(f"train.py: {processes.LOST}: {' '.join(str(error).split())[:300]}")
    else:
        sys.exit(0 if finished else STOPPED)


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    flags.register_validator("workdir", lambda path: path != "", "is empty; name a directory")
    app.run(main, flags_parser=parse_flags)
