"""Times PSNR and LPIPS (alex) of 512x512 pairs, and the share of it that is the network.

python recipes/metrics/measure.py [--count=1000] [--batch=8]
"""

import argparse
import time
from collections.abc import Callable

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
    options = type(options)(**{**vars(options), "protocol": "madf", "batch_size": args.batch})
    metrics = {name: load_metrics(options, _SIZE)[name] for name in _METRICS}
    rng = np.random.default_rng(0)
    originals = rng.integers(0, 256, (args.batch, _SIZE, _SIZE, 3), np.uint8)
    painted = np.roll(originals, 1, axis=1)
    masks = np.zeros((args.batch, _SIZE, _SIZE, 1), np.uint8)
    for name, metric in metrics.items():
        score_batch(painted, originals, masks, {name: metric})  # compiles
    seconds = {
        name: _time(
            lambda m=metrics[name], n=name: score_batch(painted, originals, masks, {n: m}),
            args.count // args.batch,
        )
        for name in _METRICS
    }
    total = sum(seconds.values())
    for name, value in seconds.items():
        print(f"{metrics[name].heading}: {value:.1f} s, {100 * value / total:.1f} %")
    pairs = args.count // args.batch * args.batch
    print(f"{pairs} pairs of {_SIZE}x{_SIZE}: {total:.1f} s, {1000 * total / pairs:.0f} ms each")


def _time(score: Callable[[], object], batches: int) -> float:
    start = time.perf_counter()
    for _ in range(batches):
        score()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
