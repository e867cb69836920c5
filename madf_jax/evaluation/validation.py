"""How good a network is while it is trained."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from madf_jax.config.sections import Setup
from madf_jax.evaluation.evaluator import NETWORK, make_evaluator
from madf_jax.evaluation.grids import preview
from madf_jax.evaluation.scored import Scored, gather_scored
from madf_jax.evaluation.summary import summarize
from madf_jax.inference.inpaint import Method, any_image
from madf_jax.inference.painter import Painter
from madf_jax.metrics.metric import METRICS
from madf_jax.processes import together

_SHOWN = 8


class Validation:
    """Paints `evaluation.validation_count` held-out examples, the same ones each time.

    Args:
        setup: of the run.

    Raises:
        UserError: as `make_evaluator`.
    """

    def __init__(self, setup: Setup) -> None:
        self._evaluator = make_evaluator(setup, setup.evaluation.validation_count)
        self._painter = Painter(setup.network, setup.evaluation.batch_size)

    def score(self, variables: Any) -> float:
        """Mean PSNR of the composites, decibels; all processes must call it, each does its share.

        Args:
            variables: of the network, on one device of this process.

        Raises:
            UserError: an example can't be read, in any of the processes.
        """
        with together():
            examples = self._evaluator.run(self._methods(variables), {"psnr": METRICS["psnr"]})
            own = [Scored.of(example) for example in examples]
        summary = summarize(gather_scored(own))
        return summary.compute()["methods"][NETWORK]["psnr"]

    def images(self, variables: Any) -> np.ndarray:
        """The first examples as a grid, (H, W, 3), uint8: masked, output, composite, original."""
        places = range(min(_SHOWN, len(self._evaluator)))
        return preview(self._evaluator.pick(places, self._methods(variables)), NETWORK)

    def _methods(self, variables: Any) -> Mapping[str, Method]:
        return {NETWORK: any_image(self._painter.with_variables(variables))}
