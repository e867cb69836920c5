"""The report as JSON and as Markdown, rewritten after every row."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from madf_jax.benchmark.gpu.flop import FlopCounts
from madf_jax.benchmark.gpu.series import Row, Series
from madf_jax.benchmark.gpu.training import Training
from madf_jax.files import write_text

JSON, MARKDOWN, LOG = "gpu.json", "gpu.md", "training.log"

_HEADER = (
    "| what | size | dtype | batch | ms | images/s | TFLOP/s | of matmul | memory | compiling "
    "| PyTorch, images/s | its memory | ratio |"
)
_NOTES = """
- *train* is the step with Adam, without VGG-16; *network* is inference. Times are medians of 3 to
  30 runs after a warm-up, with inputs that are on the card already.
- *of matmul* is the rate of the arithmetic, counted before compilation, over that of the matmul
  above. float32 is computed in TF32 by both, as is their default.
- *memory* is what XLA plans for the program; PyTorch's is what its allocator held at most.
- PyTorch in float32 is the reference as it is; in bfloat16 it has channels last, autocast and
  cuDNN's search. *ratio* is our images per second over its at the same batch.
"""


@dataclasses.dataclass
class Page:
    """What is known so far.

    Attributes:
        command: that makes it.
        card: the card and the machine.
        flop: counts of the arithmetic.
        rows: in the order in which they were measured.
        training: the real training.
        waiting: series that were not begun.
    """

    command: str
    card: Mapping[str, Any]
    flop: FlopCounts
    rows: list[Row] = dataclasses.field(default_factory=list)
    training: Training | None = None
    waiting: Sequence[Series] = ()

    def write(self, directory: Path) -> None:
        """Replaces both files in `directory`.

        Raises:
            UserError: one can't be written.
        """
        write_text(directory / JSON, json.dumps(self.to_json(), indent=1) + "\n")
        write_text(directory / MARKDOWN, self.to_markdown())

    def to_json(self) -> dict[str, Any]:
        """Everything, with the rate and the share of the matmul of each row."""
        return {
            "command": self.command,
            "card": dict(self.card),
            "rows": [
                {
                    **dataclasses.asdict(row),
                    "images_per_second": row.rate,
                    "tflops": self._tflops(row),
                    "share_of_matmul": self._share(row),
                }
                for row in self.rows
            ],
            "training": None if self.training is None else dataclasses.asdict(self.training),
            "not_begun": [str(series) for series in self.waiting],
        }

    def to_markdown(self) -> str:
        """A page to read: the card, a table, the training, and what is missing."""
        lines = [
            f"# Speed on {self.card['device']}",
            "",
            f"    {self.command}",
            "",
            self._machine(),
        ]
        lines += ["", _HEADER, "| --- " * (_HEADER.count("|") - 1) + "|", *self._table(), _NOTES]
        if self.training is not None:
            lines.append(_describe(self.training))
        if self.waiting:
            names = ", ".join(map(str, self.waiting))
            lines += ["", f"Not begun, for want of time: {names}."]
        return "\n".join(lines) + "\n"

    def _machine(self) -> str:
        rates = ", ".join(
            f"{rate / 1e3:.4g} TFLOP/s in {dtype}"
            for dtype, rate in self.card["matmul_gflops"].items()
        )
        versions = ", ".join(f"{name} {version}" for name, version in self.card["versions"].items())
        host = f"{self.card['processor']}, {self.card['cores']} cores"
        return f"A large matmul runs at {rates}. {versions}; {host}."

    def _table(self) -> list[str]:
        """A line for each subject and batch, ours and PyTorch's beside each other."""
        found: dict[tuple[Series, int], dict[bool, Row]] = {}
        for row in self.rows:
            subject = dataclasses.replace(row.series, reference=False)
            found.setdefault((subject, row.batch), {})[row.series.reference] = row
        order = {series: index for index, (series, _) in reversed([*enumerate(found)])}
        return [
            self._line(*(rows.get(whose, Row(series, batch)) for whose in (False, True)))
            for (series, batch), rows in sorted(
                found.items(), key=lambda item: (order[item[0][0]], item[0][1])
            )
        ]

    def _line(self, ours: Row, theirs: Row) -> str:
        series, memory = ours.series, "{:.2f} GB"
        ratio = ours.rate / theirs.rate if ours.rate and theirs.rate else None
        cells = [
            *(series.what, series.size, series.dtype, ours.batch),
            _cell(ours.seconds, "{:.4g}", 1e3),
            ours.note or _cell(ours.rate, "{:.4g}"),
            _cell(self._tflops(ours), "{:.3g}"),
            _cell(self._share(ours), "{:.0%}"),
            _cell(ours.memory, memory, 1e-9),
            _cell(ours.compile_seconds, "{:.0f} s"),
            theirs.note or _cell(theirs.rate, "{:.4g}"),
            _cell(theirs.memory, memory, 1e-9),
            _cell(ratio, "**{:.2f}**"),
        ]
        return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"

    def _tflops(self, row: Row) -> float | None:
        flop = self.flop.get(row.series.what, row.series.size, row.batch)
        return flop / row.seconds / 1e12 if flop and row.seconds else None

    def _share(self, row: Row) -> float | None:
        rate = self._tflops(row)
        return None if rate is None else 1e3 * rate / self.card["matmul_gflops"][row.series.dtype]


def _cell(value: float | None, form: str, factor: float = 1.0) -> str:
    return "-" if value is None else form.format(factor * value)


def _describe(training: Training) -> str:
    parts = [f"`{training.command}` ran for {training.seconds:.0f} s."]
    if training.losses is not None:
        first, last = training.losses
        parts.append(
            f"It took {training.steps} steps at {training.rate:.4g} images/s, waited for data in "
            f"{training.waiting:.0%} of the time and held {training.memory_gb:.1f} GB; the loss "
            f"went from {first:.4g} to {last:.4g}."
        )
    if training.note:
        parts.append(f"It failed: {training.note}.")
    return " ".join(parts)
