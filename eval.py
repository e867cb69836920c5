"""Evaluates a run: `python eval.py --config=configs/NAME.py --workdir=DIR [--output=DIR]`."""

import sys
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from madf_jax.config.flags import parse_flags
from madf_jax.config.sections import from_config
from madf_jax.errors import UserError
from madf_jax.evaluation.loop import evaluate
from madf_jax.evaluation.report import format_table
from madf_jax.terminal import show_own_lines

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "The config of the run.", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Directory of the run.")
_OUTPUT = flags.DEFINE_string("output", None, "Directory for the report; by default the run's.")


def main(_: list[str]) -> None:
    """Evaluates; prints the table and where the images are."""
    show_own_lines()
    workdir = Path(_WORKDIR.value)
    output = Path(_OUTPUT.value) if _OUTPUT.value else workdir
    try:
        summary = evaluate(from_config(_CONFIG.value), workdir, output)
    except UserError as error:
        sys.exit(f"eval.py: {error}")
    print(f"\n{summary['count']} held-out images at step {summary['step']}:\n")
    print(format_table(summary))
    print(f"\nReport: {output / 'evaluation.json'}, {output / 'evaluation.csv'}")
    grids = sorted((output / "grids").glob("*.png"))
    if grids:
        print(f"{len(grids)} image grids: {grids[0]} to {grids[-1].name}")


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    flags.register_validator("workdir", lambda path: path != "", "is empty; name a directory")
    app.run(main, flags_parser=parse_flags)
