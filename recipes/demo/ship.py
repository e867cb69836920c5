"""Makes the file of the demo weights from a run: averaged parameters, float16, what they are.

python recipes/demo/ship.py --workdir=runs/demo --hole-width=41 --output=demo.safetensors
"""

import argparse
import dataclasses
import hashlib
from pathlib import Path

from madf_jax import weights

_FACTS = {
    "title": "madf_jax demo weights",
    "license": "CC-BY-SA-4.0",
    "photographs": "recipes/demo/photographs.csv, split 'train'",
}


def main() -> None:
    """Writes the file and prints its size and hash."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", required=True, help="of the run")
    parser.add_argument(
        "--hole-width", type=float, required=True, help="pixels; wider holes are painted smaller"
    )
    parser.add_argument("--output", type=Path, required=True, help="the file, .safetensors")
    args = parser.parse_args()
    run = weights.load(args.workdir)
    photographs = Path(__file__).with_name("photographs.csv").read_bytes()
    facts = {
        **run.metadata,
        **_FACTS,
        "photographs_sha256": hashlib.sha256(photographs).hexdigest(),
        "trained_hole_width": args.hole_width,
    }
    shipped = dataclasses.replace(run, params=run.ema, ema=None, metadata=facts)
    weights.save(args.output, shipped, half=True, force=True)
    digest = hashlib.sha256(args.output.read_bytes()).hexdigest()
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.2f} MB, SHA-256 {digest}")


if __name__ == "__main__":
    main()
