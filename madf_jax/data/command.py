"""The commands `pack` and `prepare`."""

import argparse

from madf_jax.command_line import LocalPath
from madf_jax.errors import UserError, escape
from madf_jax.terminal import Subparsers, show_own_lines

_MEBIBYTE = 2**20


def add_commands(commands: Subparsers) -> None:
    """Adds this room's parsers to those of `python -m madf_jax`."""
    _add_pack(commands)
    _add_prepare(commands)


def _add_pack(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "pack",
        help="pack a folder of images into a few large files",
        description="Writes the images of a folder as a few large ArrayRecord files, for pods and "
        "network disks. data.source='packed' reads them; data.train_path and data.evaluation_path "
        "name the directory.",
    )
    parser.add_argument("folder", metavar="FOLDER", action=LocalPath, help="of images")
    parser.add_argument("output", metavar="OUT", action=LocalPath, help="a new directory")
    parser.add_argument(
        "--side",
        metavar="N",
        type=int,
        default=0,
        help="shrink images to this shorter side, as JPEG of quality 95 (the files as they are)",
    )
    parser.add_argument(
        "--file-mib", metavar="N", type=int, default=1024, help="size of a file, MiB (1024)"
    )
    parser.add_argument(
        "--bad-files",
        choices=("refuse", "skip"),
        default="refuse",
        help="what to do about images that can't be used (refuse)",
    )
    parser.add_argument("--force", action="store_true", help="replace a packed set at OUT")
    parser.set_defaults(run=_pack)


def _pack(args: argparse.Namespace) -> int:
    _show_lines()
    from madf_jax.data.options import ImageOptions
    from madf_jax.data.packing import PackOptions, pack

    least = ImageOptions().min_side
    if args.side and not least <= args.side <= 2**16:
        raise UserError(f"--side={args.side}: use a number from {least} to {2**16}")
    if not 1 <= args.file_mib <= 2**20:
        raise UserError(f"--file-mib={args.file_mib}: use a number from 1 to {2**20}")
    options = PackOptions(args.side, args.file_mib * _MEBIBYTE, args.bad_files, least, args.force)
    packed = pack(args.folder, args.output, options)
    size = sum(file.bytes for file in packed.files) / _MEBIBYTE
    print(
        f"{escape(str(args.output))}: {packed.images} images in {len(packed.files)} files, "
        f"{size:.1f} MiB"
    )
    return 0


def _add_prepare(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "prepare",
        help="download a data set of TensorFlow Datasets and prepare it",
        description="Downloads places365_small (31 GB), celeb_a (1.5 GB), celeb_a_hq/512 (from an "
        "archive made by hand) or another data set of images, and writes it so that "
        "data.source='tfds' reads it without TensorFlow. Preparing needs the extra [prepare].",
    )
    parser.add_argument("name", metavar="NAME", help="of the data set")
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        default="",
        help="where it is written; data.tfds_dir names it then (TFDS's own folder)",
    )
    parser.set_defaults(run=_prepare)


def _prepare(args: argparse.Namespace) -> int:
    _show_lines()
    from madf_jax.data.prepare import prepare

    print(f"{args.name}: prepared in {escape(prepare(args.name, args.data_dir))}")
    return 0


def _show_lines() -> None:
    from absl import flags

    show_own_lines()
    flags.FLAGS(["madf-jax"])  # or absl would log a warning of its own first
