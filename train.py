"""Trains a run: `python train.py --config=configs/NAME.py --workdir=DIR [--config.a.b=value]`."""

import argparse
import sys
from collections.abc import Sequence

from madf_jax.config.config_file import read_config
from madf_jax.config.flags import FlagParser
from madf_jax.errors import UserError
from madf_jax.terminal import show_own_lines

STOPPED = 75
"""Exit status of a run that was asked to stop and saved: the same command continues it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains as the flags say; returns the exit status."""
    show_own_lines()
    try:
        args = parse_flags(arguments)
        config = read_config(args.config, args.changes)
    except UserError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    # Imported late, so that --help and a wrong flag answer at once.
    import jax

    from madf_jax.config.sections import from_config
    from madf_jax.devices import require_devices
    from madf_jax.training import processes
    from madf_jax.training.loop import train

    try:
        setup = from_config(config)
        processes.join(
            args.coordinator, args.num_processes, args.process_id, setup.training.process_timeout
        )
        require_devices()
        finished = train(setup, args.workdir)
    except UserError as error:
        processes.leave(f"train.py: {error}")
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            processes.leave(f"train.py: {processes.TOO_LARGE}")
        if jax.process_count() == 1:
            raise
        processes.leave(f"train.py: {processes.LOST}: {' '.join(str(error).split())[:300]}")
    return 0 if finished else STOPPED


def parse_flags(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags, by default of the program's command line.

    Raises:
        UserError: one of them is unknown, is missing or has an unfit value.
    """
    parser = FlagParser("train.py", "Trains a run, or continues it from its newest checkpoint.")
    # TPU pods, Slurm and Open MPI need none of these.
    parser.add_argument("--coordinator", metavar="HOST:PORT", help="address of process 0")
    parser.add_argument("--num_processes", metavar="N", type=int, help="processes of the job")
    parser.add_argument("--process_id", metavar="I", type=int, help="this process, from 0")
    return parser.parse(arguments)


if __name__ == "__main__":
    sys.exit(main())
