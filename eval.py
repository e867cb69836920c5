"""Evaluates a network: `python eval.py --workdir=DIR | --weights=FILE [--manifest=FILE] ...`."""

import argparse
import sys
from collections.abc import Sequence

from madf_jax.config.flags import FlagParser
from madf_jax.errors import UserError
from madf_jax.files import any_path, local_path
from madf_jax.terminal import quiet_broken_pipe, show_own_lines

_TOO_LARGE = "painting needs more memory than a device has: lower evaluation.batch_size"
_PATHS = ("weights", "manifest", "images", "masks", "features", "output")


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluates, prints the table and where the report is; returns the exit status."""
    show_own_lines()
    with quiet_broken_pipe():
        try:
            _evaluate(_parse(arguments), sys.argv[1:] if arguments is None else arguments)
        except UserError as error:
            print(f"eval.py: {error}", file=sys.stderr)
            return 1
        return 0


def _evaluate(args: argparse.Namespace, arguments: Sequence[str]) -> None:
    # Imported late, so that --help and a wrong flag answer at once.
    import jax

    from madf_jax import processes
    from madf_jax.devices import require_devices
    from madf_jax.evaluation.config import choose_setup, score_manifest
    from madf_jax.evaluation.evaluate import evaluate
    from madf_jax.evaluation.manifest_reading import read_manifest
    from madf_jax.evaluation.networks import parse_step
    from madf_jax.evaluation.report import format_report
    from madf_jax.evaluation.results import name_results

    with processes.ending_together("eval.py", _TOO_LARGE):
        step = parse_step(args.step)
        setup = choose_setup(args.config, args.changes, args.workdir)
        timeout = setup.training.process_timeout
        processes.join(args.coordinator, args.num_processes, args.process_id, timeout)
        manifest = None
        if args.manifest is not None:
            manifest = read_manifest(args.manifest, "--manifest", args.images, args.masks)
            setup = score_manifest(setup, manifest)
        require_devices()
        report = evaluate(
            setup,
            args.workdir,
            args.output,
            step,
            args.features,
            weights=args.weights,
            manifest=manifest,
            results=name_results(args.results),
            command=["python", "eval.py", *arguments],
        )
    if jax.process_index() == 0:
        print(format_report(report, args.output))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = FlagParser("eval.py", "Evaluates a network beside other methods.", required=())
    parser.add_argument("--weights", metavar="FILE", help="weights to evaluate without a run")
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
        "--manifest",
        metavar="FILE",
        help="score exactly these images with these masks; `madf-jax manifest` makes it",
    )
    parser.add_argument("--images", metavar="DIR", help="where the manifest's images are now")
    parser.add_argument("--masks", metavar="DIR", help="where the manifest's masks are now")
    parser.add_argument(
        "--results",
        metavar="[NAME=]DIR",
        action="append",
        default=[],
        help="what another program made of the manifest's examples; may be given several times",
    )
    parser.add_argument(
        "--features",
        metavar="FILE",
        help="keeps Inception features: read if it is there, written with new ones added",
    )
    parser.add_job_flags()
    args = parser.parse(arguments)
    for name in _PATHS:
        if (given := getattr(args, name)) is not None:
            path = any_path if name in ("weights", "output") else local_path
            setattr(args, name, path(given, f"--{name}"))
    _check(args)
    args.output = args.output or args.workdir
    return args


def _check(args: argparse.Namespace) -> None:
    if args.workdir is None and args.weights is None and not args.results:
        raise UserError("--workdir is missing, or --weights or --results; --help lists the flags")
    if args.workdir is not None and args.weights is not None:
        raise UserError("--workdir and --weights name two networks; give one of them")
    if args.workdir is None and args.output is None:
        raise UserError("--output is missing, which a run would be the default for; name it")
    if args.manifest is None and (args.images or args.masks):
        raise UserError("--images and --masks say where the files of --manifest are; name it, too")
    if args.manifest is None and args.workdir is None and args.config is None:
        raise UserError("--manifest is missing, or a --config: which images are to be evaluated?")


if __name__ == "__main__":
    sys.exit(main())
