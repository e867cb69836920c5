"""Times PSNR and LPIPS (alex) of 512x512 pairs, and the share of it that is the network.

python recipes/metrics/measure.py [--count=1000] [--batch=8]
"""

import argparse
import dataclasses
import functools
import time

import numpy as np

from madf_jax.config.sections import defaults, from_config
from madf_jax.evaluation.protocols import load_metrics
from madf_jax.metrics.metric import score_batch

_SIZE = 512
_METRICS = ("psnr", "lpips_alex")


def main() -> None:
    """Prints seconds by metric."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", metavar="N", type=int, default=1000, help="pairs")
    parser.add_argument("--batch", metavar="N", type=int, default=8, help="pairs at a time")
    args = parser.parse_args()
    options = from_config(defaults()).evaluation
    options = dataclasses.replace(options, protocol="madf", batch_size=args.batch)
    loaded = load_metrics(options, _SIZE)
    rng = np.random.default_rng(0)
    originals = rng.integers(0, 256, (args.batch, _SIZE, _SIZE, 3), np.uint8)
    painted = np.roll(originals, 1, axis=1)
    masks = np.zeros((args.batch, _SIZE, _SIZE, 1), np.uint8)
    seconds = {}
    for name in _METRICS:
        score = functools.partial(score_batch, painted, originals, masks, {name: loaded[name]})
        score()  # compiles
        start = time.perf_counter()
        for _ in range(args.count // args.batch):
            score()
        seconds[name] = time.perf_counter() - start
    total = sum(seconds.values())
    for name, value in seconds.items():
        print(f"{loaded[name].heading}: {value:.1f} s, {100 * value / total:.1f} %")
    pairs = args.count // args.batch * args.batch
    print(f"{pairs} pairs of {_SIZE}x{_SIZE}: {total:.1f} s, {1000 * total / pairs:.0f} ms each")


if __name__ == "__main__":
    main()
