"""Comparison of this package with what the PyTorch reference computed for a recorded case.

Errors are relative. An output, a loss, a gradient's norm or a statistic is measured against the
recorded one; single values of an activation or a gradient against what as many values of average
size would be, if that is more: else the error of a value near 0 would say nothing.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from madf_jax.errors import UserError
from madf_jax.parity.case import OF_GRADIENTS, OF_STEPS, TERMS, Case
from madf_jax.parity.computed import Model, Precision, precision_of, reference_sums
from madf_jax.parity.rows import Row, relative
from madf_jax.weights.checks import summarize_names
from madf_jax.weights.model import Weights

# In float64 only the order of sums differs. In float32 each is about four times the largest error
# measured over the recorded cases, docs/numbers.md. Gradients jump where a rectifier, a maximum or
# an absolute value changes sides: in float64, weights moved by float32's rounding (6e-8) alone
# change them by up to 7e-3. Adam divides such a jump by the gradient's own size.
TOLERANCES: Mapping[str, Mapping[str, float]] = {
    "float64": {
        "activation": 1e-9,
        "output": 1e-9,
        "loss": 1e-9,
        "output in training": 1e-9,
        "loss in training": 1e-9,
        "gradient": 1e-7,
        "Adam step": 1e-7,
        "running statistics": 1e-7,
        "movement": 1e-7,
    },
    "float32": {
        "activation": 1e-5,
        "output": 1e-5,
        "loss": 1e-5,
        "output in training": 1e-5,
        "loss in training": 1e-5,
        "gradient": 3e-2,
        "Adam step": 1e-2,
        "running statistics": 1.5e-1,
        "movement": 2.5e-1,
    },
}
# Of the reference's own float32 error of an output, where the case tells it.
FACTOR = 2.0
# A gradient of a smaller norm is 0 in exact arithmetic: the bias before a batch norm.
ZERO = 1e-10
ZERO_NOTE = "zero but for rounding"


def compare_case(case: Case, weights: Weights, precision: Precision) -> list[Row]:
    """Compares every part that the case holds.

    Args:
        case: from `read_case`.
        weights: those that it was recorded with, VGG-16's trunk too if `case.needs_vgg`.
        precision: 'float64' or 'float32'.

    Raises:
        UserError: the weights are of another network or lack the trunk, or the case is incomplete
            or holds what this network has not.
    """
    with precision_of(precision):
        model = Model(case, weights, precision)
        _check(case, weights, model)
        comparison = _Comparison(case, model, precision)
        return [*comparison.inference(), *comparison.training()]


def output_errors(case: Case, weights: Weights, precision: Precision) -> list[float]:
    """Only the error of each output in inference, also in 'bfloat16'."""
    with precision_of(precision):
        outputs, _ = Model(case, weights, precision).infer()
    return [_output_error(case, f"eval/out_{i}", output) for i, output in enumerate(outputs)]


def _check(case: Case, weights: Weights, model: Model) -> None:
    found = (weights.network.depth, weights.network.refinements)
    if found != (case.depth, case.refinements):
        raise UserError(
            f"{case.path}: recorded with {case.depth} levels and {case.refinements} refinement "
            f"decoders, the weights have {found[0]} and {found[1]}"
        )
    if case.needs_vgg and weights.vgg is None:
        raise UserError(
            f"{case.path} compares VGG-16 features, but the weights hold no VGG-16 trunk; "
            "name a file that does with --vgg FILE"
        )


class _Comparison:
    """One pass over a case."""

    def __init__(self, case: Case, model: Model, precision: Precision) -> None:
        self._case, self._model = case, model
        self._tolerances = TOLERANCES[precision]
        self._follows_reference = precision == "float32"

    def inference(self) -> Iterator[Row]:
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
            for term in self._terms("eval/reference_loss/"):
                recorded = case.numbers(f"eval/reference_loss/{term}", ())
                yield self._row("loss", f"sum/{term}", relative(sums[TERMS[term]], recorded))

    def training(self) -> Iterator[Row]:
        """Outputs, losses and gradients in training mode, then the steps of Adam."""
        case = self._case
        if not case.has("train/"):
            return
        if not any(map(case.has, OF_GRADIENTS)):
            yield from self._first_step(self._model.outputs_in_training())
            return
        recorded, columns = self._recorded_steps()
        for number, step in enumerate(self._model.train(max(1, len(recorded)))):
            if number == 0:
                yield from self._first_step(step.outputs)
                yield from self._gradients(step.gradients)
            for column, value in zip(columns, recorded[number : number + 1].ravel(), strict=False):
                error = relative(step.sums[TERMS.get(column, column)], value)
                yield self._row("Adam step", f"{number + 1}/{column}", error)
        if len(recorded):
            yield from self._statistics(step.batch_stats)
            yield from self._movements(step.params)

    def _first_step(self, outputs: list[np.ndarray]) -> Iterator[Row]:
        yield from self._outputs("output in training", "train", outputs)
        if self._case.has("train/loss/"):
            losses = self._model.losses(outputs)
            yield from self._losses("loss in training", "train", losses)

    def _activations(self, activations: Mapping[str, np.ndarray]) -> Iterator[Row]:
        for module in self._known("act/", activations):
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
                relative(ours.mean(), stats[0], mean_square_root),
                relative(ours.std(), stats[1], mean_square_root),
                relative(np.linalg.norm(ours), stats[2]),
                self._sample_error(key, ours, mean_square_root),
            ]
            yield self._row("activation", module, _largest(errors))

    def _outputs(self, group: str, part: str, outputs: list[np.ndarray]) -> Iterator[Row]:
        """One row an output, and one for the norm over all samples."""
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
                compared[f"{key}/norm"] = relative(np.full(recorded.shape, norm), recorded)
            for name, error in compared.items():
                yield self._row(group, name, error, reference_error, tolerance)

    def _reference_error(self, index: int, outputs: int) -> float | None:
        key = "eval/torch_float32_relative_error"
        if key not in self._case.arrays:
            return None
        return float(self._case.numbers(key, (outputs,))[index])

    def _losses(self, group: str, part: str, losses: Mapping[str, np.ndarray]) -> Iterator[Row]:
        for term in self._terms(f"{part}/loss/"):
            ours = losses[TERMS[term]]
            recorded = self._case.numbers(f"{part}/loss/{term}", ours.shape)
            for index, (one, other) in enumerate(zip(ours, recorded, strict=True)):
                yield self._row(group, f"out_{index}/{term}", relative(one, other))

    def _terms(self, prefix: str) -> list[str]:
        return self._known(prefix, TERMS)

    def _recorded_steps(self) -> tuple[np.ndarray, list[str]]:
        """Losses (steps, columns) and the columns' names; no rows if no step was recorded."""
        case = self._case
        if not any(map(case.has, OF_STEPS)):
            return np.zeros((0, 0)), []
        table = case.numbers("train/loss_by_step")
        try:
            columns = json.loads(str(case.arrays.get("train/loss_columns")))
        except (ValueError, RecursionError):
            columns = None
        if (
            not isinstance(columns, list)
            or not all(column in (*TERMS, "total") for column in columns)
            or table.shape != (len(table), len(columns))
        ):
            raise UserError(
                f"{case.path}: 'train/loss_by_step' {table.shape} needs as many "
                f"'train/loss_columns', JSON with names of {', '.join(TERMS)}, total"
            )
        return table, columns

    def _gradients(self, gradients: Any) -> Iterator[Row]:
        ours = dict(self._model.by_reference_names("params", gradients))
        for name in self._known("train/grad/", ours):
            gradient, key = ours[name].astype(np.float64), f"train/grad/{name}"
            norm, found = self._case.numbers(f"{key}/norm", ()), np.linalg.norm(gradient)
            if norm < ZERO:
                yield self._zero("gradient", name)
                continue
            mean_square_root = norm / np.sqrt(gradient.size)
            errors = [
                relative(found, norm),
                self._sample_error(key, gradient, mean_square_root),
            ]
            yield self._row("gradient", name, _largest(errors))

    def _statistics(self, batch_stats: Any) -> Iterator[Row]:
        ours = dict(self._model.by_reference_names("batch_stats", batch_stats))
        for name in self._known("train/batch_stats/", ours):
            recorded = self._case.numbers(f"train/batch_stats/{name}", ours[name].shape)
            yield self._row("running statistics", name, relative(ours[name], recorded))

    def _movements(self, params: Any) -> Iterator[Row]:
        before = dict(self._model.by_reference_names("params", self._model.variables["params"]))
        after = dict(self._model.by_reference_names("params", params))
        for name in self._known("train/param_delta_norm/", after):
            recorded = self._case.numbers(f"train/param_delta_norm/{name}", ())
            gradient = self._case.arrays.get(f"train/grad/{name}/norm", np.inf)
            if min(recorded, gradient) < ZERO:
                yield self._zero("movement", name)
                continue
            moved = np.linalg.norm(after[name].astype(np.float64) - before[name])
            yield self._row("movement", name, relative(moved, recorded))

    def _known(self, prefix: str, known: Iterable[str]) -> list[str]:
        """The names after a prefix, all of which must be known here."""
        names = self._case.entries(prefix)
        strange = [f"{prefix}{name}" for name in names if name not in known]
        if strange:
            raise UserError(
                f"{self._case.path}: not known here: {summarize_names(map(repr, strange))}"
            )
        return names

    def _sample_error(self, key: str, ours: np.ndarray, mean_square_root: float) -> float:
        index = self._case.numbers(f"{key}/index")
        value = self._case.numbers(f"{key}/value", index.shape)
        if index.dtype != np.int64 or not ((index >= 0) & (index < ours.size)).all():
            raise UserError(f"{self._case.path}: {key}/index goes beyond the {ours.size} values")
        scale = mean_square_root * np.sqrt(index.size)
        return relative(ours.ravel()[index], value, scale)

    def _row(
        self,
        group: str,
        name: str,
        error: float,
        reference_error: float | None = None,
        tolerance: float | None = None,
    ) -> Row:
        tolerance = self._tolerances[group] if tolerance is None else tolerance
        return Row(group, name, error, tolerance, reference_error)

    def _zero(self, group: str, name: str) -> Row:
        return Row(group, name, None, self._tolerances[group], note=ZERO_NOTE)


def _output_error(case: Case, key: str, output: np.ndarray) -> float:
    recorded = case.numbers(key)
    kept = output[: len(recorded)].transpose(0, 3, 1, 2)
    if recorded.ndim != 4 or recorded.shape != kept.shape or recorded.size == 0:
        raise UserError(
            f"{case.path}: {key!r} has shape {recorded.shape}, here it has {kept.shape}"
        )
    return relative(kept, recorded)


def _largest(errors: list[float]) -> float:
    # Python's max would pass over not-a-number.
    return float(np.max(errors))
