"""The command `compile`."""

import argparse
import signal

from madf_jax.terminal import Subparsers, terminate


def add_commands(commands: Subparsers) -> None:
    """Adds this room's parsers to those of `python -m madf_jax`."""
    _add_compile(commands)


def _add_compile(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "compile",
        help="estimate what training needs of a TPU or GPU that you don't have",
        description="Compiles the real training step of a config with the compiler of the target, "
        "on this CPU, and prints the memory and work of a step on each device. Exits with 1 if it "
        "does not fit.",
        epilog="--config.section.key=value changes the config.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", metavar="FILE", required=True, help="such as configs/places2.py"
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--topology", metavar="CHIP:SIDES", help="a TPU slice, such as v5e:4x4")
    target.add_argument("--target", metavar="GPU[:COUNT]", help="GPUs of one host, such as h100:8")
    parser.add_argument(
        "--search",
        action="store_true",
        help="also find the largest batch per device that fits, and compile it",
    )
    parser.set_defaults(run=_compile, takes_config_flags=True)


def _compile(args: argparse.Namespace) -> int:
    from madf_jax.config.config_file import read_config
    from madf_jax.config.sections import from_config
    from madf_jax.planning.environment import use_compiler

    setup = from_config(read_config(args.config, args.rest))
    signal.signal(signal.SIGTERM, terminate)  # ends the compiler and removes what it wrote
    use_compiler("cuda" if args.topology is None else "tpu")
    from madf_jax.planning.compile import compile_step

    return compile_step(setup, args.topology, args.target, search=args.search)
