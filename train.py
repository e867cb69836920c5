"""Trains a run: `python train.py --config=configs/NAME.py --workdir=DIR [--config.a.b=value]`."""

import sys
from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_flags

from madf_jax.errors import UserError

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "The config of the run.", lock_config=True
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Directory for checkpoints and TensorBoard's files."
)


def main(argv: list[str]) -> None:
    """Parses flags and trains."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    logging.set_verbosity(logging.INFO)
    # Imported late, so that --help and a misspelt flag answer at once: the loop loads TensorFlow
    # for TensorBoard.
    from madf_jax.training.loop import train

    try:
        train(_CONFIG.value, Path(_WORKDIR.value))
    except UserError as error:
        sys.exit(f"train.py: {error}")


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(main)
