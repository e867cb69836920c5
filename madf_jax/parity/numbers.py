"""The page of numbers: measured deviations from the PyTorch reference."""

import dataclasses
import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path

import jax

from madf_jax.errors import UserError
from madf_jax.files import prepare_target, write_text
from madf_jax.parity.case import Case, read_case
from madf_jax.parity.computed import Precision
from madf_jax.parity.deviation import Deviation, worst
from madf_jax.parity.recorded import compare_case, output_errors
from madf_jax.parity.rule import rule_weights
from madf_jax.parity.tolerances import FACTOR, TOLERANCES

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")
_COMPARED: tuple[Precision, ...] = ("float64", "float32")


@dataclasses.dataclass(frozen=True)
class _Measured:
    """What was measured of a case.

    Attributes:
        case: the case.
        deviations: by precision.
        bfloat16: error of each output.
    """

    case: Case
    deviations: dict[Precision, list[Deviation]]
    bfloat16: list[float]


def write_numbers(output: Path, paths: Sequence[Path]) -> None:
    """Compares every case in float64, float32 and bfloat16, and writes a page of Markdown.

    Raises:
        UserError: a case can't be used or has no salt that its weights were made by, or the page
            can't be written.
    """
    prepare_target(output, "--output")
    cases = [read_case(path) for path in paths]
    for case in cases:
        if case.salt is None:
            raise UserError(f"{case.path}: its 'config' has no 'salt', so its weights are unknown")
    page = _page(output, [_measure(case) for case in cases])
    write_text(output, page)


def _measure(case: Case) -> _Measured:
    weights = rule_weights(case.salt or "", case.depth, case.refinements)
    deviations = {precision: compare_case(case, weights, precision) for precision in _COMPARED}
    outputs = case.has("eval/out_0")
    return _Measured(case, deviations, output_errors(case, weights, "bfloat16") if outputs else [])


def _page(output: Path, measured: Sequence[_Measured]) -> str:
    command = f"python -m madf_jax numbers --output {output} "
    command += " ".join(str(one.case.path) for one in measured)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    device = f"{jax.default_backend().upper()} ({platform.machine()})"
    where = f"Python {platform.python_version()}, {device}"
    parts = [
        _HEAD.format(command=command, versions=versions, where=where),
        _table(
            ["case", "levels", "refinements", "batch, size", "compared", "left out", "failed"],
            [_facts(one, precision) for one in measured for precision in _COMPARED],
        ),
        "\n## Largest relative errors\n",
        _GROUPS.format(factor=f"{FACTOR:g}"),
        _table(["case", *_groups(measured)], _errors(measured)),
        "\n## Outputs\n",
        _OUTPUTS,
        _table(
            ["case", "output", "float64", "float32", "reference's float32", "bfloat16"],
            [row for one in measured for row in _outputs(one)],
        ),
        "\n## bfloat16\n",
        _BFLOAT16,
    ]
    return "\n".join(parts)


_HEAD = """# Numbers compared with the PyTorch reference

This page was written by

    {command}

with {versions}, {where}.

The recorded cases hold what the PyTorch reference computed in float64, from weights made by a rule.
The training steps are taken by the `train_step` that training uses.
"""

_GROUPS = """Each cell is the largest error of its group. In float32 the tolerance of an output is
{factor} times the error of the reference's own float32, which the next table shows.

In float64 only the order of sums differs. In float32, gradients jump where a rectifier, a maximum
or an absolute value changes sides. This is a property of the function, not of the program: in
float64, perturbing the weights by float32's rounding also changes single gradients by up to 7e-3 of
their norm, and Adam, which divides by the gradient's own size, turns such jumps into whole steps.
The float64 rows therefore show whether training is right, the float32 rows what to expect of a run.
"""

_OUTPUTS = """Errors relative to the recorded float64 outputs in inference mode.
"""

_BFLOAT16 = """With `network.dtype = "bfloat16"`, activations are computed in bfloat16, which has 8
significant bits: a single operation is accurate to 0.4 %. Parameters and batch statistics stay in
float32. The last column of the table above shows the effect on the outputs of a network with random
weights.
"""


def _facts(one: _Measured, precision: Precision) -> list[str]:
    deviations, case = one.deviations[precision], one.case
    left_out = sum(d.error is None for d in deviations)
    failed = sum(not d.passed for d in deviations)
    n, height, width, _ = case.image.shape
    settings = [str(case.depth), str(case.refinements), f"{n}, {height}x{width}"]
    counts = [str(len(deviations) - left_out), str(left_out), str(failed)]
    return [f"{case.path.stem} {precision}", *settings, *counts]


def _groups(measured: Sequence[_Measured]) -> list[str]:
    present = {
        deviation.group
        for one in measured
        for deviations in one.deviations.values()
        for deviation in deviations
    }
    return [group for group in TOLERANCES["float64"] if group in present]


def _errors(measured: Sequence[_Measured]) -> list[list[str]]:
    groups, table = _groups(measured), []
    for precision in _COMPARED:
        for one in measured:
            found = worst(one.deviations[precision])
            cells = [_scientific(found[g].error) if g in found else "-" for g in groups]
            table.append([f"{one.case.path.stem} {precision}", *cells])
        limits = [_scientific(TOLERANCES[precision][group]) for group in groups]
        table.append([f"*tolerance in {precision}*", *limits])
    return table


def _outputs(one: _Measured) -> list[list[str]]:
    errors = {
        precision: [d for d in deviations if d.group == "output" and "norm" not in d.name]
        for precision, deviations in one.deviations.items()
    }
    return [
        [
            one.case.path.stem,
            str(index),
            _scientific(double.error),
            _scientific(single.error),
            _scientific(single.reference_error),
            _scientific(half),
        ]
        for index, (double, single, half) in enumerate(
            zip(errors["float64"], errors["float32"], one.bfloat16, strict=True)
        )
    ]


def _scientific(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
