"""The command line: `madf-jax COMMAND` or `python -m madf_jax COMMAND`."""

import argparse
import signal
import sys
from collections.abc import Sequence

from madf_jax import __version__
from madf_jax.benchmark.command import add_commands as add_benchmark
from madf_jax.errors import UserError
from madf_jax.parity.command import add_commands as add_parity
from madf_jax.planning.command import add_commands as add_planning
from madf_jax.terminal import quiet_broken_pipe
from madf_jax.weights.command import add_commands as add_weights


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
        except KeyboardInterrupt:
            print("madf-jax: interrupted", file=sys.stderr)
            return 128 + signal.SIGINT


def _run(argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser("madf-jax", description="Image inpainting with MADF in JAX.")
    parser.add_argument("--version", action="version", version=f"madf-jax {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add_commands in (add_weights, add_parity, add_benchmark, add_planning):
        add_commands(commands)
    args, rest = parser.parse_known_args(argv)
    if rest and not getattr(args, "takes_config_flags", False):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    args.rest = rest
    from madf_jax.devices import device_errors  # imports JAX, which --help does without

    with device_errors():
        return int(args.run(args))


if __name__ == "__main__":
    sys.exit(main())
