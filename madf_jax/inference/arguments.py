"""Arguments of the commands that paint."""

import argparse
from typing import TYPE_CHECKING

from madf_jax.command_line import LocalOrBucketPath, LocalPath

if TYPE_CHECKING:
    from madf_jax.inference.inpainter import Inpainter


def add_weights(parser: argparse._ActionsContainer) -> None:
    """Adds `--weights` to a parser or a group of one."""
    parser.add_argument(
        "--weights",
        metavar="W",
        action=LocalOrBucketPath,
        help="a file (.safetensors, .npz, .pth) or the directory of a run (the demo weights)",
    )


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Adds the group of arguments about memory and compilation."""
    machine = parser.add_argument_group("machine")
    machine.add_argument(
        "--memory",
        metavar="GB",
        type=float,
        default=1.0,
        help="that the network may take; larger images are painted in tiles (1)",
    )
    machine.add_argument(
        "--compilation-cache",
        metavar="DIR",
        action=LocalPath,
        help="keep compiled programs there for later",
    )


def load_inpainter(args: argparse.Namespace) -> "Inpainter":
    """The inpainter that these arguments name.

    Raises:
        UserError: there are no such weights.
    """
    from madf_jax.inference.inpainter import Inpainter  # imports JAX, which --help does without

    return Inpainter.load(
        args.weights,
        memory_limit=args.memory * 1e9,
        compilation_cache=args.compilation_cache,
    )
