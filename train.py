"""Trains a run: `python train.py --config=configs/NAME.py --workdir=DIR [--config.a.b=value]`."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from madf_jax.config.config_file import read_config
from madf_jax.config.flags import FlagParser
from madf_jax.errors import UserError
from madf_jax.terminal import show_own_lines
from madf_jax.training.signals import STOPPED, StopSignals

_TOO_LARGE = (
    "the step needs more memory than a device has: lower training.batch_size, or raise "
    "training.accumulate_steps, or set network.remat=everything or network.dtype=bfloat16"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains as the flags say; returns the exit status."""
    with StopSignals() as stop:
        show_own_lines()
        try:
            args = parse_flags(arguments)
            config = read_config(args.config, args.changes)
            finished = _train(config, args, stop)
        except UserError as error:
            print(f"train.py: {error}", file=sys.stderr)
            return 1
    return 0 if finished else STOPPED


def _train(config: Any, args: argparse.Namespace, stop: StopSignals) -> bool:
    """Whether the run is at its end."""
    # Imported late, so that --help, a wrong flag and a signal are answered at once.
    from madf_jax import processes
    from madf_jax.config.sections import from_config
    from madf_jax.devices import require_devices
    from madf_jax.training.loop import train

    with processes.ending_together("train.py", _TOO_LARGE):
        setup = from_config(config)
        processes.join(
            args.coordinator, args.num_processes, args.process_id, setup.training.process_timeout
        )
        require_devices()
        return train(setup, args.workdir, stop)


def parse_flags(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags, by default of the program's command line.

    Raises:
        UserError: one of them is unknown, is missing or has an unfit value.
    """
    parser = FlagParser("train.py", "Trains a run, or continues it from its newest checkpoint.")
    parser.add_job_flags()
    return parser.parse(arguments)


if __name__ == "__main__":
    sys.exit(main())
