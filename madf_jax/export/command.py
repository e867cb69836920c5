"""The command `export`."""

import argparse

from madf_jax.command_line import LocalPath
from madf_jax.errors import escape
from madf_jax.export.request import DTYPES, FORMATS, Request
from madf_jax.inference.arguments import add_weights
from madf_jax.terminal import Subparsers, quiet_orbax


def add_commands(commands: Subparsers) -> None:
    """Adds this room's parsers to those of `python -m madf_jax`."""
    parser = commands.add_parser(
        "export",
        help="write weights for other runtimes, for a hub, or as a page",
        description="Writes a network with its weights, checks it by running it, and puts a model "
        "card beside it. Formats: stablehlo (for any JAX), onnx (needs the extra [onnx]), "
        "safetensors, torch (the PyTorch reference's .pth), hub (a folder to upload), web (a "
        "folder with a page that paints in the browser).",
    )
    add_weights(parser)
    parser.add_argument("--format", choices=FORMATS, required=True, help="of OUT")
    parser.add_argument("target", metavar="OUT", action=LocalPath, help="a file, or a folder")
    parser.add_argument(
        "--output-uint8",
        action="store_true",
        help="stablehlo, onnx: image in, composite out, in 8 bits; otherwise the bare network",
    )
    parser.add_argument(
        "--dtype", choices=DTYPES, default="float32", help="of the parameters (float32)"
    )
    parser.add_argument(
        "--separate-params",
        action="store_true",
        help="stablehlo: parameters in a .safetensors file beside it, and as an argument",
    )
    parser.add_argument(
        "--runtime",
        metavar="DIR|FILE.tgz",
        action=LocalPath,
        help="web: the package onnxruntime-web, unpacked or packed (npm is asked for it)",
    )
    parser.add_argument(
        "--report",
        metavar="DIR",
        action=LocalPath,
        help="of eval.py on these weights, whose scores the card gives",
    )
    parser.add_argument("--license", help="of the weights, for the card, if they do not say")
    parser.add_argument("--force", action="store_true", help="replace what is at OUT")
    parser.set_defaults(run=_export)


def _export(args: argparse.Namespace) -> int:
    quiet_orbax()
    request = Request(
        args.format, args.output_uint8, args.dtype, args.separate_params, args.runtime
    )
    from madf_jax.export.run import export

    options = {name: getattr(args, name) for name in ("report", "license", "force")}
    print(*map(escape, export(args.weights, args.target, request, **options)), sep="\n")
    return 0
