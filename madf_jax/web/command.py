"""The command `demo`."""

import argparse
import importlib.util
import tempfile
from pathlib import Path
from typing import NoReturn

from madf_jax.command_line import LocalPath
from madf_jax.errors import UserError
from madf_jax.inference.arguments import add_machine, add_weights, load_inpainter
from madf_jax.terminal import Subparsers, quiet_orbax

_WARM = [(512, 512), (384, 384)]  # a small image, and a crop around a small hole


def add_commands(commands: Subparsers) -> None:
    """Adds this room's parsers to those of `python -m madf_jax`."""
    parser = commands.add_parser(
        "demo",
        help="fill holes in images in the browser",
        description="Serves a page on which people open an image, paint over what should "
        "disappear, and download the result, which is the same as that of `inpaint`. Needs the "
        "extra [web]; with --static, the extra [onnx] and npm.",
    )
    add_weights(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on; 0.0.0.0 lets other machines in (127.0.0.1)",
    )
    parser.add_argument(
        "--port", type=int, default=7860, help="the port; 0 takes any that is free (7860)"
    )
    parser.add_argument(
        "--static",
        action="store_true",
        help="serve the page of `export --format web`, which paints in the browser itself",
    )
    parser.add_argument(
        "--runtime",
        metavar="DIR|FILE.tgz",
        action=LocalPath,
        help="for --static: the package onnxruntime-web (npm is asked for it)",
    )
    add_machine(parser)
    parser.set_defaults(run=_demo)


def _demo(args: argparse.Namespace) -> int:
    quiet_orbax()
    if args.static:
        _serve_static(args)
    if args.runtime is not None:
        raise UserError("--runtime is for --static")
    if importlib.util.find_spec("gradio") is None:
        raise UserError("the page needs Gradio: pip install '.[web]'")
    from madf_jax.web.server import listen, serve

    with listen(args.host, args.port) as listening:
        inpainter = load_inpainter(args)
        inpainter.warm_up(_WARM)
        serve(inpainter, listening)


def _serve_static(args: argparse.Namespace) -> NoReturn:
    from madf_jax.export.web_page import write_web_page
    from madf_jax.inference.demo_weights import demo_weights
    from madf_jax.web.server import listen
    from madf_jax.web.static_server import serve_folder
    from madf_jax.weights import load

    with (
        listen(args.host, args.port) as listening,
        tempfile.TemporaryDirectory(prefix="madf_jax_") as folder,
    ):
        weights = load(demo_weights() if args.weights is None else args.weights)
        print(write_web_page(weights, Path(folder), runtime=args.runtime), flush=True)
        serve_folder(Path(folder), listening)
