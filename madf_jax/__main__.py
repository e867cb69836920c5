"""The command line: `python -m madf_jax COMMAND`, a subcommand for each task of a user."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from madf_jax.errors import UserError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Returns:
        The exit status: 1 for a user's mistake or numbers past the tolerance; argparse ends the
        program with 2 for arguments it can't read.
    """
    parser = argparse.ArgumentParser("madf_jax", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_convert(commands)
    _add_compare(commands)
    _add_numbers(commands)
    _add_benchmark(commands)
    _add_compile(commands)
    args, rest = parser.parse_known_args(argv)
    if rest and args.run is not _compile:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    args.rest = rest
    try:
        return args.run(args)
    except UserError as error:
        print(f"madf_jax: {error}", file=sys.stderr)
        return 1


def _quieten() -> None:
    # Orbax warns of files that its own handlers do without.
    from absl import logging

    logging.set_verbosity(logging.ERROR)


def _add_convert(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    from madf_jax.interop.convert import convert

    _quieten()
    options = {"prefixes": args.prefixes, "ema": args.ema, "force": args.force}
    print(*convert(args.source, args.target, **options), sep="\n")
    return 0


def _add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "compare",
        help="our numbers with the PyTorch reference's",
        description="Compares what this package computes with what the PyTorch reference recorded "
        "(--recorded) or computes here (--reference). Exits with 1 past the tolerance.",
    )
    other = parser.add_mutually_exclusive_group(required=True)
    other.add_argument("--recorded", metavar="CASE.npz", type=Path, help="a recorded case")
    other.add_argument(
        "--reference", metavar="DIR", type=Path, help="a checkout of MADF-inpainting/Pytorch-MADF"
    )
    parser.add_argument(
        "--weights", metavar="W", required=True, help="rule:SALT, or whatever convert reads"
    )
    parser.add_argument("--float64", action="store_true", help="compute in float64")
    recorded = parser.add_argument_group("with --recorded")
    recorded.add_argument("--vgg", metavar="FILE", type=Path, help="VGG-16, if W does not hold it")
    recorded.add_argument("--json", metavar="OUT", type=Path, help="write all rows there too")
    live = parser.add_argument_group("with --reference")
    live.add_argument("--image", metavar="I", type=Path, help="a picture, with --mask")
    live.add_argument("--mask", metavar="M", type=Path, help="black = hole, with --image")
    live.add_argument("--size", metavar="S", type=int, help="side of both, pixels (512)")
    live.add_argument("--output", metavar="DIR", type=Path, help="where comparison.png goes (here)")
    parser.set_defaults(run=_compare, parser=parser)


def _compare(args: argparse.Namespace) -> int:
    recorded, live = ("vgg", "json"), ("image", "mask", "size", "output")
    for name in live if args.recorded else recorded:
        if getattr(args, name) is not None:
            args.parser.error(f"--{name} is for --{'reference' if args.recorded else 'recorded'}")
    if (args.image is None) != (args.mask is None):
        args.parser.error("--image and --mask go together")
    if args.size is not None and args.size < 1:
        args.parser.error("--size must be positive")
    _quieten()
    from madf_jax.interop import command

    if args.recorded:
        return command.compare_recorded(
            args.recorded, args.weights, args.vgg, args.json, double=args.float64
        )
    return command.compare_reference(
        args.reference,
        args.weights,
        (args.image, args.mask),
        args.size or 512,
        args.output or Path(),
        double=args.float64,
    )


def _add_numbers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "numbers",
        help="write the page of measured numbers",
        description="Compares recorded cases in float64, float32 and bfloat16 with weights made "
        "by rule, and writes the results as Markdown.",
    )
    parser.add_argument("--output", metavar="FILE", type=Path, default=Path("docs/numbers.md"))
    parser.add_argument("cases", metavar="CASE.npz", type=Path, nargs="+")
    parser.set_defaults(run=_numbers)


def _numbers(args: argparse.Namespace) -> int:
    from madf_jax.interop.numbers import write_numbers

    _quieten()
    write_numbers(args.output, args.cases)
    print(f"wrote {args.output}")
    return 0


def _add_benchmark(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "benchmark",
        help="how fast the parts are here, also beside the PyTorch reference",
        description="Measures medians of repeated runs after a warm-up, memory, and the share of "
        "the machine's rate for a product of matrices.",
    )
    parts = ("dynamic-filter", "network", "train", "data")
    parser.add_argument("part", nargs="?", choices=parts, help="by default all of them")
    parser.add_argument(
        "--size", metavar="S", type=int, nargs="+", default=[], help="sides of pictures, pixels"
    )
    parser.add_argument("--batch", metavar="N", type=int, default=0, help="pictures at a time (1)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--repeats", metavar="N", type=int, default=7, help="counted runs (7)")
    parser.add_argument(
        "--reference", metavar="DIR", type=Path, help="a checkout of MADF-inpainting/Pytorch-MADF"
    )
    parser.add_argument(
        "--json",
        metavar="OUT",
        type=Path,
        help="write there; a table (.md) and a plot (.png) beside it are replaced, too",
    )
    parser.set_defaults(run=_benchmark, parser=parser, parts=parts)


def _benchmark(args: argparse.Namespace) -> int:
    if args.batch < 0 or args.repeats < 1:
        args.parser.error("--batch and --repeats must be positive")
    _quieten()
    from madf_jax.benchmark.command import Request, benchmark

    parts = [args.part] if args.part else args.parts
    request = Request(parts, args.size, args.batch, args.dtype, args.repeats, args.reference)
    return benchmark(request, args.json)


def _add_compile(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "compile",
        help="what training needs on a TPU or GPU that is not here",
        description="Compiles the real training step of a config with the compiler of the target, "
        "on this CPU, and prints memory, work and the least time of a step for each device. Exits "
        "with 1 if it does not fit.",
        epilog="--config.section.key=value changes the config.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", metavar="FILE", required=True, help="such as configs/places2.py"
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--topology", metavar="CHIP:SIDES", help="a TPU slice, such as v5e:4x4")
    target.add_argument("--target", choices=("h100",), help="one GPU")
    parser.add_argument(
        "--search", action="store_true", help="find the largest batch per device that fits, too"
    )
    parser.set_defaults(run=_compile)


def _compile(args: argparse.Namespace) -> int:
    from madf_jax.planning.environment import use_compiler
    from madf_jax.run.terminal import read_config

    config = read_config([f"--config={args.config}", *args.rest])
    use_compiler("cuda" if args.topology is None else "tpu")
    from madf_jax.planning.apart import run_apart
    from madf_jax.planning.command import compile_step

    return run_apart(compile_step, config, args.topology, args.target, search=args.search)


if __name__ == "__main__":
    sys.exit(main())
