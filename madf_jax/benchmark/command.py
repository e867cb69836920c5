"""The command `benchmark`."""

import argparse

from madf_jax.command_line import LocalPath
from madf_jax.terminal import Subparsers, quiet_orbax


def add_commands(commands: Subparsers) -> None:
    """Adds this room's parsers to those of `python -m madf_jax`."""
    _add_benchmark(commands)


def _add_benchmark(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "benchmark",
        help="measure speed and memory here, also of the PyTorch reference",
        description="Measures medians of repeated runs after a warm-up, memory, and the share of "
        "the machine's rate for a large matmul.",
    )
    parts = ("dynamic-filter", "network", "train", "data")
    parser.add_argument("part", nargs="?", choices=parts, help="by default all of them")
    parser.add_argument(
        "--size", metavar="S", type=int, nargs="+", default=[], help="sides of images, pixels"
    )
    parser.add_argument(
        "--batch", metavar="N", type=int, default=0, help="images at a time (1; data: 6)"
    )
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--repeats", metavar="N", type=int, default=7, help="timed runs (7)")
    parser.add_argument(
        "--reference",
        metavar="DIR",
        action=LocalPath,
        help="a checkout of MADF-inpainting/Pytorch-MADF",
    )
    parser.add_argument(
        "--json",
        metavar="OUT",
        action=LocalPath,
        help="write there; a table (.md) and a plot (.png) beside it are replaced, too",
    )
    parser.set_defaults(run=_benchmark, parser=parser, parts=parts)


def _benchmark(args: argparse.Namespace) -> int:
    if args.batch < 0 or args.repeats < 1:
        args.parser.error("--batch and --repeats must be positive")
    quiet_orbax()
    from madf_jax.benchmark.run import Request, benchmark

    parts = [args.part] if args.part else args.parts
    request = Request(parts, args.size, args.batch, args.dtype, args.repeats, args.reference)
    return benchmark(request, args.json)
