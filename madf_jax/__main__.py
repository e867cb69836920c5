"""The command line: `madf-jax COMMAND` or `python -m madf_jax COMMAND`."""

import argparse
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from madf_jax import __version__
from madf_jax.benchmark.command import add_commands as add_benchmark
from madf_jax.data.command import add_commands as add_data
from madf_jax.devices import device_errors
from madf_jax.errors import UserError
from madf_jax.evaluation.command import add_commands as add_evaluation
from madf_jax.export.command import add_commands as add_export
from madf_jax.inference.command import add_commands as add_inference
from madf_jax.parity.command import add_commands as add_parity
from madf_jax.planning.command import add_commands as add_planning
from madf_jax.terminal import quiet_broken_pipe
from madf_jax.web.command import add_commands as add_web
from madf_jax.weights.command import add_commands as add_weights

_WITHOUT_JAX = (
    "this needs {}, and JAX is not installed (pip install madf-jax); "
    "without it, only inpaint with --weights FILE.onnx runs"
)
INTERRUPTED = 128 + signal.SIGINT
"""The status after Ctrl-C, as of a program that the signal ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command. Ends quietly if nothing reads its output any more.

    Returns:
        The exit status: 1 for a user's mistake or numbers past the tolerance, 130 after Ctrl-C;
        argparse ends the program with 2 for arguments it can't parse.
    """
    with quiet_broken_pipe():
        try:
            return _run(argv)
        except UserError as error:
            print(f"madf-jax: {error}", file=sys.stderr)
            return 1
        except ModuleNotFoundError as error:
            if importlib.util.find_spec("jax") is not None:
                raise
            print(f"madf-jax: {_WITHOUT_JAX.format(error.name)}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("madf-jax: interrupted", file=sys.stderr)
            return INTERRUPTED


def _run(argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser("madf-jax", description="Image inpainting with MADF in JAX.")
    parser.add_argument("--version", action="version", version=f"madf-jax {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    rooms = (
        *(add_inference, add_web, add_evaluation, add_data, add_weights, add_export),
        *(add_parity, add_benchmark, add_planning),
    )
    for add_commands in rooms:
        add_commands(commands)
    args, rest = parser.parse_known_args(argv)
    if rest and not getattr(args, "takes_config_flags", False):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    args.rest = rest
    with device_errors():
        return int(args.run(args))


def program() -> NoReturn:
    """Runs a command and ends the process with its status."""
    status = main()
    if status == INTERRUPTED:
        # Threads of JAX may still compute, and Python's own way to end would crash in them.
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    program()
