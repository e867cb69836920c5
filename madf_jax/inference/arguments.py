"""Arguments of the commands that paint."""

import argparse
from typing import TYPE_CHECKING

from madf_jax.command_line import LocalPath
from madf_jax.files import AnyPath, any_path
from madf_jax.weights.hub import is_hub_address

if TYPE_CHECKING:
    from madf_jax.inference.inpainter import Inpainter


def _weights(given: str, name: str) -> AnyPath | str:
    return given if is_hub_address(given) else any_path(given, name)


class _Weights(LocalPath):
    """An argument that names weights, also in a bucket or `hf://OWNER/NAME`."""

    _read = staticmethod(_weights)


def add_weights(parser: argparse._ActionsContainer) -> None:
    """Adds `--weights` to a parser or a group of one."""
    parser.add_argument(
        "--weights",
        metavar="W",
        action=_Weights,
        help="a file (.safetensors, .npz, .pth, .stablehlo, .onnx), the directory of a run, or a "
        "model of a hub (hf://OWNER/NAME); the demo weights if left out",
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
