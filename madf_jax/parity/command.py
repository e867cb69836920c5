"""The commands `compare` and `numbers`."""

import argparse
from pathlib import Path

from madf_jax.command_line import LocalPath
from madf_jax.errors import escape
from madf_jax.terminal import Subparsers, quiet_orbax


def add_commands(commands: Subparsers) -> None:
    """Adds this room's parsers to those of `python -m madf_jax`."""
    _add_compare(commands)
    _add_numbers(commands)


def _add_compare(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "compare",
        help="compare numbers with the PyTorch reference's",
        description="Compares what this package computes with what the PyTorch reference recorded "
        "(--recorded) or computes here (--reference). Exits with 1 past the tolerance.",
    )
    other = parser.add_mutually_exclusive_group(required=True)
    other.add_argument("--recorded", metavar="CASE.npz", action=LocalPath, help="a recorded case")
    other.add_argument(
        "--reference",
        metavar="DIR",
        action=LocalPath,
        help="a checkout of MADF-inpainting/Pytorch-MADF",
    )
    parser.add_argument(
        "--weights",
        metavar="W",
        help="rule:SALT, or weights that convert can read; by default the rule by which the "
        "recorded case's weights were made",
    )
    parser.add_argument("--float64", action="store_true", help="compute in float64")
    recorded = parser.add_argument_group("with --recorded")
    recorded.add_argument(
        "--vgg", metavar="FILE", action=LocalPath, help="VGG-16, if W does not include it"
    )
    recorded.add_argument(
        "--json", metavar="OUT", action=LocalPath, help="also write all results to this file"
    )
    live = parser.add_argument_group("with --reference")
    live.add_argument("--image", metavar="I", action=LocalPath, help="an image, with --mask")
    live.add_argument("--mask", metavar="M", action=LocalPath, help="black = hole, with --image")
    live.add_argument("--size", metavar="S", type=int, help="side of both in pixels (512)")
    live.add_argument(
        "--output", metavar="DIR", action=LocalPath, help="directory for comparison.png (here)"
    )
    parser.set_defaults(run=_compare, parser=parser)


def _compare(args: argparse.Namespace) -> int:
    recorded, live = ("vgg", "json"), ("image", "mask", "size", "output")
    for name in live if args.recorded else recorded:
        if getattr(args, name) is not None:
            args.parser.error(f"--{name} is for --{'reference' if args.recorded else 'recorded'}")
    if (args.image is None) != (args.mask is None):
        args.parser.error("--image and --mask go together")
    if args.size is not None and args.size < 1:
        args.parser.error("--size must be positive")
    if args.reference and args.weights is None:
        args.parser.error("--reference needs --weights")
    quiet_orbax()
    from madf_jax.parity import compare

    if args.recorded:
        return compare.compare_recorded(
            args.recorded, args.weights, args.vgg, args.json, double=args.float64
        )
    return compare.compare_reference(
        args.reference,
        args.weights,
        (args.image, args.mask),
        args.size or 512,
        args.output or Path(),
        double=args.float64,
    )


def _add_numbers(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "numbers",
        help="write the page of measured numbers",
        description="Compares recorded cases in float64, float32 and bfloat16 with weights made "
        "by rule, and writes the results as Markdown.",
    )
    parser.add_argument(
        "--output", metavar="FILE", action=LocalPath, default=Path("docs/numbers.md")
    )
    parser.add_argument("cases", metavar="CASE.npz", action=LocalPath, nargs="+")
    parser.set_defaults(run=_numbers)


def _numbers(args: argparse.Namespace) -> int:
    from madf_jax.parity.numbers import write_numbers

    quiet_orbax()
    write_numbers(args.output, args.cases)
    print(f"wrote {escape(str(args.output))}")
    return 0
