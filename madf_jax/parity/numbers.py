"""The page of numbers: how far this package is from the PyTorch reference, measured here."""

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
_TRUE: tuple[Precision, ...] = ("float64", "float32")


@dataclasses.dataclass(frozen=True)
class _Measured:
    """What was measured for a case.

    Attributes:
        case: the case.
        rows: of the comparison, by precision.
        bfloat16: error of each output.
    """

    case: Case
    rows: dict[Precision, list[Deviation]]
    bfloat16: list[float]


def write_numbers(output: Path, paths: Sequence[Path]) -> None:
    """Compares every case in float64, float32 and bfloat16, and writes the page in Markdown.

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
    rows = {precision: compare_case(case, weights, precision) for precision in _TRUE}
    outputs = case.has("eval/out_0")
    return _Measured(case, rows, output_errors(case, weights, "bfloat16") if outputs else [])


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
            [_facts(one, precision) for one in measured for precision in _TRUE],
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


_HEAD = """# Numbers against the PyTorch reference

This page is written by

    {command}

with {versions}, {where}.

The recorded cases hold what the PyTorch reference computed in float64 from weights made by rule.
"""

_GROUPS = """Each cell is the largest error of its group; the tolerances stand below. In float32 an
output's tolerance is {factor} times the error that the reference's own float32 has, next table.

In float64 nothing but the order of sums differs. In float32 gradients jump where a rectifier, a
maximum or an absolute value changes sides. That is the function, not the program: in float64, too,
weights moved by float32's rounding change single gradients by up to 7e-3 of their norm, and Adam,
which divides by the gradient's own size, turns such jumps into whole steps. So the float64 rows say
whether training is right, the float32 rows what to expect of a run.
"""

_OUTPUTS = """Relative to the recorded float64 outputs in inference mode.
"""

_BFLOAT16 = """With `network.dtype = "bfloat16"` activations are computed in bfloat16, which keeps 8
bits of a number: one operation is exact to 0.4 %. Parameters and batch statistics stay in float32.
The last column above is what that does to the outputs of a network with random weights.
"""


def _facts(one: _Measured, precision: Precision) -> list[str]:
    rows, case = one.rows[precision], one.case
    left_out = sum(row.error is None for row in rows)
    failed = sum(not row.passed for row in rows)
    n, height, width, _ = case.image.shape
    settings = [str(case.depth), str(case.refinements), f"{n}, {height}x{width}"]
    counts = [str(len(rows) - left_out), str(left_out), str(failed)]
    return [f"{case.path.stem} {precision}", *settings, *counts]


def _groups(measured: Sequence[_Measured]) -> list[str]:
    present = {row.group for one in measured for rows in one.rows.values() for row in rows}
    return [group for group in TOLERANCES["float64"] if group in present]


def _errors(measured: Sequence[_Measured]) -> list[list[str]]:
    groups, table = _groups(measured), []
    for precision in _TRUE:
        for one in measured:
            found = worst(one.rows[precision])
            cells = [_scientific(found[g].error) if g in found else "-" for g in groups]
            table.append([f"{one.case.path.stem} {precision}", *cells])
        limits = [_scientific(TOLERANCES[precision][group]) for group in groups]
        table.append([f"*tolerance in {precision}*", *limits])
    return table


def _outputs(one: _Measured) -> list[list[str]]:
    rows = {
        precision: [row for row in found if row.group == "output" and "norm" not in row.name]
        for precision, found in one.rows.items()
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
            zip(rows["float64"], rows["float32"], one.bfloat16, strict=True)
        )
    ]


def _scientific(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
