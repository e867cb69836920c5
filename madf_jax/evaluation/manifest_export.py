"""The examples of a manifest as files for other programs, and what making one may replace."""

from pathlib import Path

from PIL import Image

from madf_jax.errors import UserError
from madf_jax.evaluation.manifest import Entry, Manifest
from madf_jax.evaluation.manifest_examples import read_example
from madf_jax.evaluation.manifest_pairs import ManifestOptions, save_mask
from madf_jax.evaluation.many_files import map_files
from madf_jax.files import make_directory, prepare_target, system_errors, write_whole


def export_examples(manifest: Manifest, directory: Path) -> None:
    """Writes `images/ID.png` and `masks/ID.png`, as they are scored.

    What another program makes of them is a folder of results, by the same names. Masks have the
    manifest's color for the hole.

    Raises:
        UserError: a file can't be read or written.
    """

    def export(entry: Entry) -> None:
        image, mask = read_example(manifest, entry)
        write_whole(directory / "images" / f"{entry.id}.png", Image.fromarray(image).save)
        save_mask(directory / "masks" / f"{entry.id}.png", mask, manifest.hole)

    map_files(export, manifest.entries, "export", "name another --export")


def require_free(
    options: ManifestOptions, output: Path, export: Path | None, *, force: bool
) -> None:
    """Finds out whether what is made can be written, before the work is done.

    Args:
        options: of the manifest.
        output: the manifest.
        export: directory of exported examples.
        force: allow to replace the manifest, its masks and the exported examples.

    Raises:
        UserError: it would replace something, or be read as an input; or can't be written.
    """
    prepare_target(output, "--output")
    if output.exists() and not force:
        raise UserError(f"--output={output}: is there already; --force replaces it")
    if isinstance(options.masks, str):
        _require_empty(options.drawn, f"the masks of --output={output}", force=force)
    if export is not None:
        for flag, root in (("--images", options.images), ("--masks", options.masks)):
            if isinstance(root, Path) and export.resolve().is_relative_to(root.resolve()):
                raise UserError(f"--export={export}: is inside {flag}={root}; name another place")
        _require_empty(export, f"--export={export}", force=force)


def _require_empty(directory: Path, what: str, *, force: bool) -> None:
    make_directory(directory, what)
    with system_errors(directory):
        is_empty = not any(directory.iterdir())
    if not (is_empty or force):
        raise UserError(f"{what}: {directory} is not empty; --force writes into it all the same")
