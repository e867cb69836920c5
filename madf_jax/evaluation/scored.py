"""What is kept of an example when it has been scored, and what all processes kept together."""

import dataclasses
import json
from collections.abc import Mapping, Sequence

import numpy as np

from madf_jax.evaluation.evaluator import Example
from madf_jax.processes import gather


@dataclasses.dataclass(frozen=True)
class Scored:
    """The scores of one example.

    Attributes:
        index: in the order of the evaluation, from 0.
        id: names it in reports.
        image_name: of the original.
        mask_name: of the mask.
        share: of the image that is hole.
        scores: by method and metric.
    """

    index: int
    id: str
    image_name: str
    mask_name: str
    share: float
    scores: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, example: Example) -> "Scored":
        """What is kept of an example."""
        share = float(np.mean(example.mask == 0))
        names = (example.id, example.image_name, example.mask_name)
        return cls(example.index, *names, share, example.scores)


def gather_scored(own: Sequence[Scored]) -> list[Scored]:
    """What all processes have scored, in the order of the evaluation; all of them must call it."""
    texts = gather(json.dumps([dataclasses.astuple(scored) for scored in own]))
    everyones = [Scored(*fields) for text in texts for fields in json.loads(text)]
    return sorted(everyones, key=lambda scored: scored.index)
