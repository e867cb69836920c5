"""The command `inpaint`."""

import argparse
import sys

from tqdm import tqdm

from madf_jax.command_line import LocalPath
from madf_jax.errors import UserError, escape
from madf_jax.files import make_directory, system_errors
from madf_jax.inference.arguments import add_machine, add_weights, load_inpainter
from madf_jax.terminal import Subparsers, quiet_orbax


def add_commands(commands: Subparsers) -> None:
    """Adds this room's parsers to those of `python -m madf_jax`."""
    _add_inpaint(commands)


def _add_inpaint(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "inpaint",
        help="fill holes in images",
        description="Paints the holes that masks mark in images. Pixels outside of them stay as "
        "they are, as do size, depth, color profile and EXIF. Images: JPEG, PNG, WebP, TIFF "
        "and BMP.",
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "--image", metavar="FILE|DIR", action=LocalPath, required=True, help="what to paint"
    )
    files.add_argument(
        "--mask",
        metavar="FILE|DIR",
        action=LocalPath,
        required=True,
        help="one mask for all images, or a directory with masks of the same names",
    )
    files.add_argument(
        "--output",
        metavar="FILE|DIR",
        action=LocalPath,
        required=True,
        help="where to write; a file's suffix chooses the format",
    )
    add_weights(files)
    files.add_argument(
        "--compare", action="store_true", help="also write before and after, side by side"
    )
    files.add_argument(
        "--overwrite", action="store_true", help="allow --output to replace the images"
    )
    files.add_argument(
        "--quality", metavar="Q", type=_quality, help="of JPEG and WebP, 1 to 100 (a JPEG's own)"
    )
    painting = parser.add_argument_group("painting")
    painting.add_argument(
        "--hole", choices=("black", "white"), default="black", help="what marks the hole (black)"
    )
    painting.add_argument(
        "--dilate", metavar="N", type=int, default=0, help="grow the hole by N pixels (0)"
    )
    painting.add_argument(
        "--feather",
        metavar="N",
        type=int,
        default=6,
        help="fade out a step of color at the edge over N pixels inside the hole (6)",
    )
    painting.add_argument(
        "--scale",
        metavar="auto|N",
        type=_scale,
        default="auto",
        help="paint at 1/N of the size; auto chooses by the width of each hole (auto)",
    )
    painting.add_argument(
        "--margin",
        metavar="N",
        type=int,
        default=128,
        help="pixels of context around a hole; holes farther apart are painted apart (128)",
    )
    painting.add_argument(
        "--detail",
        metavar="SHARE",
        type=float,
        default=0.8,
        help="of fine detail that a wide hole takes over from the rest of the image, 0 to 1 (0.8)",
    )
    add_machine(parser)
    parser.set_defaults(run=_inpaint)


def _inpaint(args: argparse.Namespace) -> int:
    quiet_orbax()
    from madf_jax.inference.paint_file import FileOptions, paint_file
    from madf_jax.inference.painting import PaintOptions
    from madf_jax.inference.pairs import make_plan, require_other_files

    painting = PaintOptions(args.scale, args.dilate, args.feather, args.margin, args.detail)
    files = FileOptions(args.hole, args.quality, args.compare)
    plan = make_plan(args.image, args.mask, args.output)
    if not args.overwrite:
        require_other_files(plan.tasks)
    make_directory(plan.directory, "--output")
    write, painted = _LineWriter(), 0
    for line in (*plan.remarks, *plan.problems):
        write(line)
    inpainter = load_inpainter(args)
    for task in tqdm(plan.tasks, unit="image", disable=None if len(plan.tasks) > 1 else True):
        try:
            with system_errors(task.image):
                remarks = paint_file(inpainter, task, painting, files)
            painted += 1
            for remark in remarks:
                write(f"{task.mask}: {remark}")
        except UserError as error:
            write(str(error))
    count = len(plan.tasks) + len(plan.problems)
    print(f"Painted {painted} of {count} image{'s' * (count > 1)}: {escape(str(args.output))}")
    return 0 if painted == count else 1


class _LineWriter:
    """Writes each line once to standard error, above the progress bar."""

    def __init__(self) -> None:
        self._written: set[str] = set()

    def __call__(self, line: str) -> None:
        if line not in self._written:
            self._written.add(line)
            tqdm.write(f"madf-jax: {escape(line)}", file=sys.stderr)


def _scale(text: str) -> float | str:
    return text if text == "auto" else float(text)


def _quality(text: str) -> int:
    if not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 100")
    return int(text)
