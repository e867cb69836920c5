"""The command `convert`."""

import argparse

from madf_jax.errors import escape
from madf_jax.terminal import Subparsers, quiet_orbax


def add_commands(commands: Subparsers) -> None:
    """Adds this room's parsers to those of `python -m madf_jax`."""
    _add_convert(commands)


def _add_convert(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "convert",
        help="convert weights between the PyTorch reference's files, ours and runs",
        description="Converts weights. The kind follows from the path: .pth or .pt (the PyTorch "
        "reference's checkpoint), .safetensors, .npz, or a directory: a run's working directory "
        "(its newest checkpoint) or one checkpoints/STEP in it.",
    )
    # Not as paths: those turn 'gs://bucket' into the local 'gs:/bucket'.
    parser.add_argument("source", metavar="IN")
    parser.add_argument("target", metavar="OUT")
    parser.add_argument(
        "--prefixes", action="store_true", help="write the reference's names with its prefixes"
    )
    parser.add_argument(
        "--ema",
        action="store_true",
        help="write the averaged weights, which evaluation scores, as the model",
    )
    parser.add_argument(
        "--no-optimizer",
        dest="optimizer",
        action="store_false",
        help="leave the optimizer's state out; it may then be of any optimizer",
    )
    parser.add_argument(
        "--half",
        action="store_true",
        help="write parameters as float16: half the size, to paint with",
    )
    parser.add_argument("--force", action="store_true", help="replace what is at OUT")
    parser.set_defaults(run=_convert)


def _convert(args: argparse.Namespace) -> int:
    from madf_jax.weights.convert import convert

    quiet_orbax()
    names = ("prefixes", "ema", "optimizer", "half", "force")
    options = {name: getattr(args, name) for name in names}
    print(*map(escape, convert(args.source, args.target, **options)), sep="\n")
    return 0
