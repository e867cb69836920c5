"""The command `manifest`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from madf_jax.command_line import LocalPath
from madf_jax.errors import UserError, escape
from madf_jax.terminal import Subparsers, show_own_lines

if TYPE_CHECKING:
    from madf_jax.evaluation.manifest import Manifest


def add_commands(commands: Subparsers) -> None:
    """Adds this room's parsers to those of `python -m madf_jax`."""
    _add_manifest(commands)


def _add_manifest(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "manifest",
        help="fix which images are evaluated with which masks",
        description="Writes a file that fixes an evaluation: pairs of images and masks, hole "
        "shares, hashes. `eval.py --manifest` scores exactly these.",
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "--images", metavar="DIR", action=LocalPath, required=True, help="folder of images"
    )
    files.add_argument(
        "--masks",
        metavar="DIR|GENERATOR",
        required=True,
        help="folder of masks, or a generator whose masks are written beside the manifest: "
        "strokes, lama_thick_512 and others (docs/masks-and-manifests.md)",
    )
    files.add_argument(
        "--output", metavar="FILE", action=LocalPath, required=True, help="the manifest"
    )
    files.add_argument(
        "--export",
        metavar="DIR",
        action=LocalPath,
        help="also write images and masks as they are scored, for other programs",
    )
    files.add_argument("--force", action="store_true", help="replace what --output names")
    pairs = parser.add_argument_group("pairs")
    pairs.add_argument(
        "--seed", metavar="S", type=int, default=0, help="of masks and their assignment (0)"
    )
    pairs.add_argument(
        "--count", metavar="N", type=int, default=0, help="examples (each image once)"
    )
    pairs.add_argument(
        "--pairing",
        choices=("auto", "name", "random"),
        default="auto",
        help="masks of an image's name, or any (by name if there are such masks)",
    )
    pairs.add_argument(
        "--list",
        metavar="FILE",
        action=LocalPath,
        help="the pairs, IMAGE<TAB>MASK a line, with names below --images and --masks",
    )
    pairs.add_argument(
        "--share",
        metavar=("MIN", "MAX"),
        type=float,
        nargs=2,
        default=(0.01, 0.6),
        help="hole share of generated masks (0.01 0.6)",
    )
    pairs.add_argument(
        "--hole", choices=("black", "white"), help="what marks the hole in mask files (black)"
    )
    pixels = parser.add_argument_group("pixels")
    pixels.add_argument(
        "--size", metavar="N", type=int, help="side that is scored (that of the images)"
    )
    pixels.add_argument(
        "--crop",
        choices=("squash", "center"),
        default="squash",
        help="how an image becomes a square (squash)",
    )
    parser.set_defaults(run=_manifest)


def _manifest(args: argparse.Namespace) -> int:
    from absl import flags

    if args.list and args.pairing != "auto":
        raise UserError(f"--pairing={args.pairing}: --list has the pairs already; give one of them")
    show_own_lines()
    flags.FLAGS(["madf-jax"])  # or absl would log a warning of its own first
    from madf_jax.evaluation.manifest import LARGEST, SMALLEST, write_manifest
    from madf_jax.evaluation.manifest_export import export_examples, require_free
    from madf_jax.evaluation.manifest_making import make_manifest
    from madf_jax.evaluation.manifest_pairs import ManifestOptions

    options = ManifestOptions(
        images=args.images,
        masks=_masks(args.masks),
        drawn=args.output.with_name(f"{args.output.stem}.masks"),
        seed=_between(0, 2**32 - 1, args.seed, "--seed"),
        size=None if args.size is None else _between(SMALLEST, LARGEST, args.size, "--size"),
        crop=args.crop,
        count=_between(0, 10**8, args.count, "--count"),
        hole=args.hole,
        pairing=args.pairing,
        shares=_shares(*args.share),
        pairs=args.list,
    )
    require_free(options, args.output, args.export, force=args.force)
    manifest = make_manifest(options)
    write_manifest(args.output, manifest)
    print(_summary(args.output, manifest))
    if args.export is not None:
        export_examples(manifest, args.export)
        print(f"Images and masks as they are scored: {escape(str(args.export))}")
    return 0


def _masks(text: str) -> Path | str:
    """A folder, or the name of a generator."""
    from madf_jax.data.generators import GENERATORS
    from madf_jax.files import local_path

    if text in GENERATORS:
        return text
    path = local_path(text, "--masks")
    if not path.exists():
        raise UserError(
            f"--masks={text}: is neither a folder nor a generator; generators are "
            f"{', '.join(GENERATORS)}"
        )
    return path


def _between(least: int, most: int, value: int, flag: str) -> int:
    if not least <= value <= most:
        raise UserError(f"{flag}={value}: use a number from {least} to {most}")
    return value


def _shares(least: float, most: float) -> tuple[float, float]:
    if not (least > 0 and least + 0.01 <= most <= 1):
        raise UserError(
            f"--share {least} {most}: use two shares above 0 and up to 1, the second one at least "
            "0.01 more"
        )
    return least, most


def _summary(path: Path, manifest: "Manifest") -> str:
    from collections import Counter

    counts = Counter(entry.bucket for entry in manifest.entries)
    buckets = ", ".join(f"{counts[name]} of {name}" for name in sorted(counts))
    size = manifest.size
    return f"{escape(str(path))}: {len(manifest.entries)} examples of {size}x{size}: {buckets}"
