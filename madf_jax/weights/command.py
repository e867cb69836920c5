"""The command `convert`."""

import argparse
from pathlib import Path

from madf_jax.terminal import Subparsers, quiet_orbax


def add_commands(commands: Subparsers) -> None:
    """Adds this room's parsers to those of `python -m madf_jax`."""
    _add_convert(commands)


def _add_convert(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "convert",
        help="weights between the PyTorch reference's files, ours and runs",
        description="Converts weights. The kind follows from the path: .pth or .pt (the PyTorch "
        "reference's checkpoint), .safetensors, .npz, or a directory: a run's working directory "
        "(its newest checkpoint) or one checkpoints/STEP in it.",
    )
    parser.add_argument("source", metavar="IN", type=Path)
    parser.add_argument("target", metavar="OUT", type=Path)
    parser.add_argument(
        "--prefixes", action="store_true", help="write the reference's names with its prefixes"
    )
    parser.add_argument(
        "--ema", action="store_true", help="write the averaged weights of a run as the model"
    )
    parser.add_argument("--force", action="store_true", help="write although OUT is there")
    parser.set_defaults(run=_convert)


def _convert(args: argparse.Namespace) -> int:
    from madf_jax.weights.convert import convert

    quiet_orbax()
    options = {"prefixes": args.prefixes, "ema": args.ema, "force": args.force}
    print(*convert(args.source, args.target, **options), sep="\n")
    return 0
