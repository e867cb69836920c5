"""Held-out examples, painted by any methods and scored: for validations and evaluations alike."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import grain
import jax
import numpy as np
from tqdm import tqdm

from madf_jax.config.sections import Setup
from madf_jax.data.options import LoaderOptions
from madf_jax.data.pipeline import evaluation_dataset, iterate
from madf_jax.inference.inpaint import Method, composite
from madf_jax.metrics.metric import Metric, score_batch

NETWORK = "madf"
"""What reports call the network."""


@dataclasses.dataclass(frozen=True)
class Example:
    """One held-out image and what each method made of it. Images are uint8 (H, W, 3).

    Attributes:
        index: in the order of the evaluation, from 0.
        id: names it in reports: the manifest's id, or the index.
        image_name: of the original.
        mask_name: of the mask.
        image: the original.
        mask: (H, W, 1), uint8, 1 = known.
        painted: by method, as the method returned it.
        composites: by method, with the known pixels of the original; these are scored.
        scores: by method and metric.
    """

    index: int
    id: str
    image_name: str
    mask_name: str
    image: np.ndarray
    mask: np.ndarray
    painted: dict[str, np.ndarray]
    composites: dict[str, np.ndarray]
    scores: dict[str, dict[str, float]]


class Evaluator:
    """Scores methods on held-out examples.

    Args:
        examples: from `evaluation_dataset` or `manifest_dataset`.
        batch_size: examples that are painted and scored at a time.
        loader: how they are read ahead.
    """

    def __init__(self, examples: grain.MapDataset, batch_size: int, loader: LoaderOptions) -> None:
        self._examples, self._batch_size, self._loader = examples, batch_size, loader

    def __len__(self) -> int:
        """Examples of all processes together."""
        return len(self._examples)

    def run(
        self,
        methods: Mapping[str, Method],
        metrics: Mapping[str, Metric],
        *,
        progress: bool = False,
    ) -> Iterator[Example]:
        """This process's share of the examples, painted by every method and scored.

        Of several processes, each takes the examples that are left when the others have taken
        theirs in turn; of one, all. They come in order.

        Args:
            methods: by name.
            metrics: by name.
            progress: show a bar.

        Raises:
            UserError: an image or a mask can't be read, or a method lacks a result; the message
                names it.
        """
        places = slice(jax.process_index(), None, jax.process_count())
        if not range(len(self))[places]:
            return
        share = self._examples[places].batch(self._batch_size, drop_remainder=False)
        batches = iterate(share, self._loader)
        for batch in tqdm(batches, "evaluate", len(share), unit="batch", disable=not progress):
            yield from _score_batch(batch, methods, metrics)

    def pick(self, places: Sequence[int], methods: Mapping[str, Method]) -> list[Example]:
        """The examples at these places among those of all processes, painted and not scored."""
        examples = [self._examples[place] for place in places]
        if not examples:
            return []
        batch = {key: np.stack([one[key] for one in examples]) for key in examples[0]}
        return list(_score_batch(batch, methods, {}))


def make_evaluator(setup: Setup, count: int) -> Evaluator:
    """Opens the held-out examples that a config describes.

    Args:
        setup: of the config.
        count: number of examples; 0 = every image once.

    Raises:
        UserError: images or masks are missing or unusable.
    """
    options = setup.evaluation
    examples = evaluation_dataset(
        setup.data,
        setup.masks,
        seed=options.seed,
        count=count,
    )
    return Evaluator(examples, options.batch_size, setup.loader)


def _score_batch(
    batch: Mapping[str, Any], methods: Mapping[str, Method], metrics: Mapping[str, Metric]
) -> Iterator[Example]:
    images, masks, ids = batch["image"], batch["mask"], batch["id"].tolist()
    painted = {name: method(ids)(images, masks) for name, method in methods.items()}
    composites = {name: composite(images, result, masks) for name, result in painted.items()}
    scores = {
        name: score_batch(results, images, masks, metrics) for name, results in composites.items()
    }
    for i, (image, mask) in enumerate(zip(images, masks, strict=True)):
        yield Example(
            index=int(batch["index"][i]),
            id=ids[i],
            image_name=str(batch["image_name"][i]),
            mask_name=str(batch["mask_name"][i]),
            image=image,
            mask=mask,
            painted={name: results[i] for name, results in painted.items()},
            composites={name: results[i] for name, results in composites.items()},
            scores={name: values[i] for name, values in scores.items()},
        )
