"""Evaluates a run: `python eval.py --workdir=DIR [--output=DIR] [--step=N] [--features=FILE]`."""

import argparse
import sys
from collections.abc import Sequence

from madf_jax.config.flags import FlagParser
from madf_jax.errors import UserError
from madf_jax.files import local_path
from madf_jax.terminal import quiet_broken_pipe, show_own_lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluates, prints the table and where the report is; returns the exit status."""
    show_own_lines()
    with quiet_broken_pipe():
        try:
            args = _parse(arguments)
            # Imported late, so that --help and a wrong flag answer at once.
            from madf_jax.devices import require_devices
            from madf_jax.evaluation.config import choose_setup
            from madf_jax.evaluation.evaluate import evaluate, parse_step
            from madf_jax.evaluation.report import format_report

            step = parse_step(args.step)
            setup = choose_setup(args.config, args.changes, args.workdir)
            require_devices()
            report = evaluate(setup, args.workdir, args.output, step, args.features)
        except UserError as error:
            print(f"eval.py: {error}", file=sys.stderr)
            return 1
        print(format_report(report, args.output))
        return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = FlagParser("eval.py", "Evaluates a checkpoint of a run.", needs_config=False)
    parser.add_argument(
        "--output", metavar="DIR", help="directory of the report; default: the run's"
    )
    parser.add_argument(
        "--step",
        metavar="N|best|newest",
        default="newest",
        help="step of the checkpoint; 'best' is the one with the best validation",
    )
    parser.add_argument(
        "--features",
        metavar="FILE",
        help="keeps Inception features: read if it is there, written with new ones added",
    )
    args = parser.parse(arguments)
    if args.features is not None:
        args.features = local_path(args.features, "--features")
    args.output = args.workdir if args.output is None else local_path(args.output, "--output")
    return args


if __name__ == "__main__":
    sys.exit(main())
