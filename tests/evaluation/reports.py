"""A report as `evaluation.json` holds it, without an evaluation."""

from madf_jax.evaluation.scored import Scored
from madf_jax.evaluation.statistics import group_by_share, summarize_group

BETTER = {"psnr": True, "l1": False}
HEADINGS = {"psnr": "PSNR dB", "l1": "L1 %", "fid": "FID clean"}
SHARES = (0.05, 0.15, 0.15, 0.7)
"""One example in the first bucket, two in the second, one in none."""


def scored_examples(methods, shares=SHARES):
    """The first method is better by 1 dB, and worse by 0.5 % of L1."""
    return [
        Scored(
            i,
            str(i),
            f"{i}.png",
            f"{i}_mask.png",
            share,
            {
                method: {"psnr": 20.0 + i - place, "l1": 2.0 + i - 0.5 * place}
                for place, method in enumerate(methods)
            },
        )
        for i, share in enumerate(shares)
    ]


def make_report(methods=("madf", "telea"), shares=SHARES, **changes):
    """Two metrics of images and one of the set, which is 10 for the first method, then 11."""
    scored = scored_examples(methods, shares)
    sets = {method: {"fid": 10.0 + place} for place, method in enumerate(methods)}
    return {
        "methods": {method: {} for method in methods},
        "count": len(shares),
        "identical": dict.fromkeys(methods, 0),
        "step": 7,
        "weights": "averaged",
        "variables_sha256": "5eed" * 16,
        "size": 64,
        "seed": 3,
        "protocol": "madf",
        "metrics": HEADINGS,
        "higher_is_better": {**BETTER, "fid": False},
        "left_out": [],
        "inception": None,
        "statistics": {
            name: {**summarize_group([scored[place] for place in places], BETTER), "sets": sets}
            for name, places in group_by_share(shares).items()
        },
        "command": "python eval.py --workdir=run",
        "versions": {"madf-jax": "1.2.3"},
        "devices": "1 x cpu",
        **changes,
    }
