"""Trains a run: `python train.py --config=configs/NAME.py --workdir=DIR [--config.a.b=value]`."""

import argparse
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from madf_jax.config.config_file import read_config
from madf_jax.config.flags import FlagParser
from madf_jax.errors import UserError
from madf_jax.terminal import show_own_lines
from madf_jax.training.signals import STOPPED, StopSignals


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains as the flags say; returns the exit status."""
    with StopSignals() as stop:
        show_own_lines()
        try:
            args = parse_flags(arguments)
            config = read_config(args.config, args.changes)
        except UserError as error:
            print(f"train.py: {error}", file=sys.stderr)
            return 1
        finished = _train(config, args, stop)
    return 0 if finished else STOPPED


def _train(config: Any, args: argparse.Namespace, stop: StopSignals) -> bool:
    """Whether the run is at its end; if that can't be found out, the process ends with a line."""
    # Imported late, so that --help, a wrong flag and a signal are answered at once.
    import jax

    from madf_jax import processes
    from madf_jax.config.sections import from_config
    from madf_jax.devices import require_devices
    from madf_jax.training.loop import train

    try:
        setup = from_config(config)
        processes.join(
            args.coordinator, args.num_processes, args.process_id, setup.training.process_timeout
        )
        require_devices()
        return train(setup, args.workdir, stop)
    except (UserError, OSError, MemoryError) as error:
        processes.leave(f"train.py: {str(error) or type(error).__name__}")
    except Exception as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            processes.leave(f"train.py: {processes.TOO_LARGE}")
        if jax.process_count() == 1:
            raise
        if processes.is_runtime_failure(error):
            processes.leave(f"train.py: {processes.LOST}: {' '.join(str(error).split())[:300]}")
        traceback.print_exc()
        processes.leave("train.py: this process failed, and the others of the job end with it")


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
