"""Comparison of this package with what the PyTorch reference computed for a recorded case.

Errors are relative. An output, a loss, a gradient's norm or a statistic is measured against the
recorded one. Single values of an activation or a gradient are measured against as many values of
root mean square size if those are larger: the relative error of a value near 0 would say nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from madf_jax.errors import UserError
from madf_jax.parity.case import TERMS, Case
from madf_jax.parity.computed import Model, Precision, precision_of, reference_sums
from madf_jax.parity.deviation import Deviation, relative_error
from madf_jax.parity.tolerances import FACTOR, TOLERANCES, ZERO, ZERO_NOTE
from madf_jax.parity.training import take_steps
from madf_jax.weights.model import Weights
from madf_jax.weights.table import parameter_names

# Parts of a case by names of parameters and of statistics.
_NAMED = {
    "params": ("train/grad/", "train/param_delta_norm/"),
    "batch_stats": ("train/batch_stats/",),
}


def compare_case(
    case: Case,
    weights: Weights,
    precision: Precision,
    devices: Sequence[jax.Device] | None = None,
) -> list[Deviation]:
    """Compares every part that the case holds.

    Args:
        case: from `read_case`.
        weights: those that it was recorded with, including VGG-16 if `case.needs_vgg`.
        precision: 'float64' or 'float32'.
        devices: that training steps are taken on; None takes one.

    Raises:
        UserError: the weights are of another network or lack VGG-16, or the case is incomplete or
            names something that this network does not have.
    """
    _check(case, weights)
    with precision_of(precision):
        comparison = _Comparison(case, Model(case, weights, precision), precision)
        devices = devices or jax.local_devices()[:1]
        return [*comparison.inference(), *comparison.training(devices)]


def output_errors(case: Case, weights: Weights, precision: Precision) -> list[float]:
    """Only the error of each output in inference, also in 'bfloat16'."""
    with precision_of(precision):
        outputs, _ = Model(case, weights, precision).infer()
    return [_output_error(case, f"eval/out_{i}", output) for i, output in enumerate(outputs)]


def _check(case: Case, weights: Weights) -> None:
    found = (weights.network.depth, weights.network.refinements)
    if found != (case.depth, case.refinements):
        raise UserError(
            f"{case.path}: recorded with {case.depth} levels and {case.refinements} refinement "
            f"decoders, the weights have {found[0]} and {found[1]}"
        )
    if case.needs_vgg and weights.vgg is None:
        raise UserError(
            f"{case.path} compares VGG-16 features, but the weights do not include VGG-16; "
            "name a file that does with --vgg FILE"
        )
    for collection, prefixes in _NAMED.items():
        names = [r.name for r in parameter_names(weights.network) if r.collection == collection]
        for prefix in prefixes:
            case.names(prefix, names)


class _Comparison:
    """One pass over a case."""

    def __init__(self, case: Case, model: Model, precision: Precision) -> None:
        self._case, self._model = case, model
        self._tolerances = TOLERANCES[precision]
        self._follows_reference = precision == "float32"

    def inference(self) -> Iterator[Deviation]:
        """Activations, outputs and losses in inference mode."""
        case = self._case
        if not (case.has("eval/") or case.has("act/")):
            return
        outputs, activations = self._model.infer()
        yield from self._activations(activations)
        yield from self._outputs("output", "eval", outputs)
        if case.has("eval/loss/") or case.has("eval/reference_loss/"):
            losses = self._model.losses(outputs)
            yield from self._losses("loss", "eval", losses)
            sums = reference_sums(self._model.objective, losses)
            for term in case.names("eval/reference_loss/", TERMS):
                recorded = case.numbers(f"eval/reference_loss/{term}", ())
                error = relative_error(sums[TERMS[term]], recorded)
                yield self._deviation("loss", f"sum/{term}", error)

    def training(self, devices: Sequence[jax.Device]) -> Iterator[Deviation]:
        """Outputs and losses in training mode, gradients, and the steps of Adam."""
        case = self._case
        if case.has("train/out_") or case.has("train/loss/"):
            outputs = self._model.outputs_in_training()
            yield from self._outputs("output in training", "train", outputs)
            if case.has("train/loss/"):
                yield from self._losses("loss in training", "train", self._model.losses(outputs))
        if not case.needs_steps:
            return
        table, columns = case.losses_by_step()
        for number, step in enumerate(take_steps(self._model, max(1, len(table)), devices)):
            if number == 0:
                yield from self._gradients(step.gradients)
            if number < len(table):
                recorded = dict(zip(columns, table[number], strict=True))
                yield from self._step_losses(number + 1, step.metrics, recorded)
        if len(table):
            yield from self._statistics(step.batch_stats)
            yield from self._movements(step.params)

    def _activations(self, activations: Mapping[str, np.ndarray]) -> Iterator[Deviation]:
        for module in self._case.names("act/", activations):
            key, ours = f"act/{module}", activations[module].transpose(0, 3, 1, 2)
            ours = ours.astype(np.float64)
            shape = tuple(self._case.numbers(f"{key}/shape", (4,)))
            if shape != ours.shape:
                raise UserError(
                    f"{self._case.path}: {key} has shape {shape}, here it has {ours.shape}"
                )
            stats = self._case.numbers(f"{key}/stats", (3,))
            mean_square_root = stats[2] / np.sqrt(ours.size)
            errors = [
                relative_error(ours.mean(), stats[0], mean_square_root),
                relative_error(ours.std(), stats[1], mean_square_root),
                relative_error(np.linalg.norm(ours), stats[2]),
                self._sample_error(key, ours, mean_square_root),
            ]
            yield self._deviation("activation", module, _largest(errors))

    def _outputs(self, group: str, part: str, outputs: list[np.ndarray]) -> Iterator[Deviation]:
        """One deviation for each output, and one for its norm over all samples."""
        if not self._case.has(f"{part}/out_"):
            return
        for index, output in enumerate(outputs):
            key = f"{part}/out_{index}"
            reference_error, tolerance = None, None
            if part == "eval" and self._follows_reference:
                reference_error = self._reference_error(index, len(outputs))
                tolerance = None if reference_error is None else FACTOR * reference_error
            compared = {key: _output_error(self._case, key, output)}
            if f"{key}/norm" in self._case.arrays:
                recorded = self._case.numbers(f"{key}/norm").ravel()
                norm = np.linalg.norm(output.astype(np.float64))
                compared[f"{key}/norm"] = relative_error(np.full(recorded.shape, norm), recorded)
            for name, error in compared.items():
                yield self._deviation(group, name, error, reference_error, tolerance)

    def _reference_error(self, index: int, outputs: int) -> float | None:
        key = "eval/torch_float32_relative_error"
        if key not in self._case.arrays:
            return None
        return float(self._case.numbers(key, (outputs,))[index])

    def _losses(
        self, group: str, part: str, losses: Mapping[str, np.ndarray]
    ) -> Iterator[Deviation]:
        for term in self._case.names(f"{part}/loss/", TERMS):
            ours = losses[TERMS[term]]
            recorded = self._case.numbers(f"{part}/loss/{term}", ours.shape)
            for index, (one, other) in enumerate(zip(ours, recorded, strict=True)):
                yield self._deviation(group, f"out_{index}/{term}", relative_error(one, other))

    def _step_losses(
        self, number: int, metrics: Mapping[str, float], recorded: Mapping[str, float]
    ) -> Iterator[Deviation]:
        for column, value in recorded.items():
            ours = metrics["loss" if column == "total" else TERMS[column]]
            yield self._deviation("Adam step", f"{number}/{column}", relative_error(ours, value))

    def _gradients(self, gradients: Any) -> Iterator[Deviation]:
        ours = dict(self._model.by_reference_names("params", gradients))
        for name in self._case.names("train/grad/", ours):
            gradient, key = ours[name].astype(np.float64), f"train/grad/{name}"
            norm, found = self._case.numbers(f"{key}/norm", ()), np.linalg.norm(gradient)
            if norm < ZERO:
                yield self._zero("gradient", name)
                continue
            mean_square_root = norm / np.sqrt(gradient.size)
            errors = [
                relative_error(found, norm),
                self._sample_error(key, gradient, mean_square_root),
            ]
            yield self._deviation("gradient", name, _largest(errors))

    def _statistics(self, batch_stats: Any) -> Iterator[Deviation]:
        ours = dict(self._model.by_reference_names("batch_stats", batch_stats))
        for name in self._case.names("train/batch_stats/", ours):
            recorded = self._case.numbers(f"train/batch_stats/{name}", ours[name].shape)
            yield self._deviation("running statistics", name, relative_error(ours[name], recorded))

    def _movements(self, params: Any) -> Iterator[Deviation]:
        before = dict(self._model.by_reference_names("params", self._model.variables["params"]))
        after = dict(self._model.by_reference_names("params", params))
        for name in self._case.names("train/param_delta_norm/", after):
            recorded = self._case.numbers(f"train/param_delta_norm/{name}", ())
            gradient = self._case.arrays.get(f"train/grad/{name}/norm", np.inf)
            if min(recorded, gradient) < ZERO:
                yield self._zero("movement", name)
                continue
            moved = np.linalg.norm(after[name].astype(np.float64) - before[name])
            yield self._deviation("movement", name, relative_error(moved, recorded))

    def _sample_error(self, key: str, ours: np.ndarray, mean_square_root: float) -> float:
        index, recorded = self._case.samples(key, ours.size)
        scale = mean_square_root * np.sqrt(index.size)
        return relative_error(ours.ravel()[index], recorded, scale)

    def _deviation(
        self,
        group: str,
        name: str,
        error: float,
        reference_error: float | None = None,
        tolerance: float | None = None,
    ) -> Deviation:
        tolerance = self._tolerances[group] if tolerance is None else tolerance
        return Deviation(group, name, error, tolerance, reference_error)

    def _zero(self, group: str, name: str) -> Deviation:
        return Deviation(group, name, None, self._tolerances[group], note=ZERO_NOTE)


def _output_error(case: Case, key: str, output: np.ndarray) -> float:
    recorded = case.numbers(key)
    kept = output[: len(recorded)].transpose(0, 3, 1, 2)
    if recorded.ndim != 4 or recorded.shape != kept.shape or recorded.size == 0:
        raise UserError(
            f"{case.path}: {key!r} has shape {recorded.shape}, here it has {kept.shape}"
        )
    return relative_error(kept, recorded)


def _largest(errors: list[float]) -> float:
    # Python's max would ignore not-a-number.
    return float(np.max(errors))
