"""Evaluates a run: `python eval.py --config=configs/NAME.py --workdir=DIR [--output=DIR]`."""

import argparse
import sys
from collections.abc import Sequence

from madf_jax.config.config_file import read_config
from madf_jax.config.flags import FlagParser
from madf_jax.errors import UserError
from madf_jax.files import local_path
from madf_jax.terminal import show_own_lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluates, prints the table and where the images are; returns the exit status."""
    show_own_lines()
    try:
        args = _parse(arguments)
        config = read_config(args.config, args.changes)
        # Imported late, so that --help and a wrong flag answer at once.
        from madf_jax.config.sections import from_config
        from madf_jax.devices import require_devices
        from madf_jax.evaluation.loop import evaluate
        from madf_jax.evaluation.report import format_table

        setup = from_config(config)
        require_devices()
        summary = evaluate(setup, args.workdir, args.output)
    except UserError as error:
        print(f"eval.py: {error}", file=sys.stderr)
        return 1
    print(f"\n{summary['count']} held-out images at step {summary['step']}:\n")
    print(format_table(summary))
    print(f"\nReport: {args.output / 'evaluation.json'}, {args.output / 'evaluation.csv'}")
    grids = sorted((args.output / "grids").glob("*.png"))
    if grids:
        print(f"{len(grids)} image grids: {grids[0]} to {grids[-1].name}")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = FlagParser("eval.py", "Evaluates the newest checkpoint of a run.")
    parser.add_argument(
        "--output", metavar="DIR", help="directory of the report; default: the run's"
    )
    args = parser.parse(arguments)
    args.output = args.workdir if args.output is None else local_path(args.output, "--output")
    return args


if __name__ == "__main__":
    sys.exit(main())
