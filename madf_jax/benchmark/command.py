"""The command `benchmark`."""

import argparse
import shlex
import sys

from madf_jax.command_line import LocalPath
from madf_jax.inference.arguments import add_weights
from madf_jax.terminal import Subparsers, quiet_orbax

# What only `serve` takes, and what only the others take.
_SERVED, _COMPUTED = ("weights",), ("batch", "dtype", "reference")


def add_commands(commands: Subparsers) -> None:
    """Adds this room's parsers to those of `python -m madf_jax`."""
    _add_benchmark(commands)
    _add_gpu_report(commands)
    _add_data_report(commands)


def _add_benchmark(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "benchmark",
        help="measure speed and memory here, also of the PyTorch reference",
        description="Measures medians of repeated runs after a warm-up, memory, and the share of "
        "the machine's rate for a large matmul.",
    )
    parts = ("dynamic-filter", "network", "train", "data")
    apart = ("onnx", "serve")
    parser.add_argument(
        "part",
        nargs="?",
        choices=(*parts, *apart),
        help="onnx: the network in JAX and in onnxruntime; serve: painting with weights W, by size "
        "and dtype, each in a process of its own; both need the extra [onnx]. By default all "
        "others",
    )
    add_weights(parser)
    parser.add_argument(
        "--size", metavar="S", type=int, nargs="+", default=[], help="sides of images, pixels"
    )
    parser.add_argument(
        "--batch", metavar="N", type=int, default=0, help="images at a time (1; data: 6)"
    )
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--repeats", metavar="N", type=int, default=7, help="timed runs (7)")
    parser.add_argument(
        "--reference",
        metavar="DIR",
        action=LocalPath,
        help="a checkout of MADF-inpainting/Pytorch-MADF",
    )
    parser.add_argument(
        "--json",
        metavar="OUT",
        action=LocalPath,
        help="write there; a table (.md) and a plot (.png) beside it are replaced, too",
    )
    parser.set_defaults(run=_benchmark, parser=parser, parts=parts)


def _benchmark(args: argparse.Namespace) -> int:
    if args.batch < 0 or args.repeats < 1:
        args.parser.error("--batch and --repeats must be positive")
    foreign = _SERVED if args.part != "serve" else _COMPUTED
    for name in foreign:
        if getattr(args, name) != args.parser.get_default(name):
            args.parser.error(f"--{name} is not for {args.part or 'this'}")
    quiet_orbax()
    if args.part == "serve":
        from madf_jax.benchmark.serve import serve

        return serve(args.weights, args.size, args.repeats, args.json)
    from madf_jax.benchmark.run import Request, benchmark

    parts = [args.part] if args.part else args.parts
    request = Request(parts, args.size, args.batch, args.dtype, args.repeats, args.reference)
    return benchmark(request, args.json)


def _add_gpu_report(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "gpu-report",
        help="measure speed and memory on a GPU in ten minutes, also of the PyTorch reference",
        description="Measures the training step and inference in bfloat16 and float32 (TF32), from "
        "one image at a time to the most that fit, and takes a real training; the most important "
        "first. The report is written after every row.",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        required=True,
        action=LocalPath,
        help="directory for gpu.json, gpu.md and training.log",
    )
    parser.add_argument(
        "--minutes", metavar="M", type=float, default=10, help="for everything (10)"
    )
    parser.add_argument(
        "--reference",
        metavar="DIR",
        action=LocalPath,
        help="a checkout of MADF-inpainting/Pytorch-MADF to run on the same GPU",
    )
    parser.add_argument(
        "--size",
        metavar="S",
        type=int,
        nargs="+",
        default=[512, 256],
        help="sides of images, pixels, the more important first (512 256)",
    )
    parser.add_argument(
        "--largest-batch", metavar="N", type=int, default=1024, help="no batch is larger (1024)"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        default="configs/default.py",
        help="of the real training, in bfloat16 (configs/default.py)",
    )
    parser.add_argument(
        "--platform",
        choices=("cuda", "rocm", "cpu"),
        default="cuda",
        help="'cpu' tries the command out where no GPU is (cuda)",
    )
    parser.set_defaults(run=_gpu_report, parser=parser)


def _gpu_report(args: argparse.Namespace) -> int:
    if not args.minutes > 0 or args.largest_batch < 1:
        args.parser.error("--minutes and --largest-batch must be positive")
    from madf_jax.benchmark.gpu.run import Request, report_gpu

    request = Request(
        sizes=args.size,
        minutes=args.minutes,
        reference=args.reference,
        platform=args.platform,
        largest=args.largest_batch,
        config=args.config,
    )
    command = shlex.join(["madf-jax", *sys.argv[1:]])
    return report_gpu(request, args.output, command)


def _add_data_report(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "data-report",
        help="measure how many images one core reads, crops and masks in a second",
        description="Stores photographs of several sizes as a folder, for TFDS and packed, reads "
        "each on one core from a cold and from a warm cache, and computes the cores that a host "
        "needs to feed its chips.",
    )
    parser.add_argument(
        "--images", metavar="N", type=int, default=128, help="images of each size (128)"
    )
    parser.add_argument("--chips", metavar="N", type=int, default=8, help="that a host feeds (8)")
    parser.add_argument(
        "--bound",
        metavar="NAME=RATE",
        nargs="+",
        default=[],
        help="crops of 512 pixels that a chip can take in a second at most, such as v5e=120",
    )
    parser.add_argument("--json", metavar="OUT", action=LocalPath, help="also write all figures")
    parser.set_defaults(run=_data_report, parser=parser)


def _data_report(args: argparse.Namespace) -> int:
    if args.images < 4 or args.images % 4 or args.chips < 1:
        args.parser.error("--images must be a multiple of 4, --chips positive")
    bounds = {}
    for text in args.bound:
        name, _, rate = text.partition("=")
        if not name or not rate.replace(".", "", 1).isdecimal():
            args.parser.error(f"--bound {text}: use NAME=RATE, such as v5e=120")
        bounds[name] = float(rate)
    quiet_orbax()
    from madf_jax.benchmark.feeding_report import report_data

    return report_data(args.images, args.chips, bounds, args.json)
