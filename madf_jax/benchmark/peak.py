"""Peak memory of training, measured in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import jax

from madf_jax.benchmark.programs import inputs, train_program, train_setup
from madf_jax.benchmark.reference import reference_training
from madf_jax.errors import UserError
from madf_jax.memory import peak_resident

_STEPS = 3


def training_peak(size: int, batch: int, dtype: str, reference: Path | None) -> int:
    """Peak resident memory in bytes, from the start of Python to the end of the third step.

    Args:
        size: side of the images.
        batch: images.
        dtype: of computation; the reference ignores it.
        reference: checkout of the PyTorch reference to measure instead of this package.

    Raises:
        UserError: the process failed; the message ends with its last line.
    """
    settings = [size, batch, dtype, None if reference is None else str(reference)]
    done = subprocess.run(
        [sys.executable, "-m", __name__, json.dumps(settings)], capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise UserError(f"measuring the memory of a training of {size} pixels failed: {last}")
    return int(done.stdout.split()[-1])


def main() -> None:
    """Trains with the settings in the argument and prints the peak."""
    size, batch, dtype, reference = json.loads(sys.argv[1])
    if reference is None:
        run = train_program(train_setup(size, batch, dtype)).run
    else:
        run = reference_training(Path(reference), *inputs(size, batch))
    for _ in range(_STEPS):
        jax.block_until_ready(run())
    print(peak_resident())


if __name__ == "__main__":
    main()
