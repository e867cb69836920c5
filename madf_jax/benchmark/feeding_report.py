"""The command `data-report`: what an example costs a core, and the cores that chips need."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from madf_jax.benchmark.feeding import EACH_SIZE, Feeding, measure_feeding
from madf_jax.files import prepare_target, write_text

_BOUND_SIZE = 512
_HEADER = (
    "| photographs | stored | as | cold: CPU | passed | from disk | in memory: CPU | decode | crop "
    "| mask | images/s of a core |"
)


def report_data(count: int, chips: int, bounds: Mapping[str, float], output: Path | None) -> int:
    """Measures and prints; with `output` also writes JSON there.

    Args:
        count: images of each size.
        chips: that a host feeds.
        bounds: most crops of 512 pixels that one chip takes in a second, by name.
        output: a file.

    Returns:
        0.

    Raises:
        UserError: it can't be written, or as `measure_feeding`.
    """
    if output is not None:
        prepare_target(output, "--json")
    rows = [
        row
        for photographs in tqdm(EACH_SIZE, desc="data-report", unit="size")
        for row in measure_feeding(photographs, count)
    ]
    print(to_markdown(rows, chips, bounds))
    if output is not None:
        content = {"rows": [dataclasses.asdict(row) for row in rows]}
        write_text(output, json.dumps(content, indent=1) + "\n")
        print("wrote", output)
    return 0


def to_markdown(rows: Sequence[Feeding], chips: int, bounds: Mapping[str, float]) -> str:
    """A table of the costs, and the cores that so many chips need where bounds are given."""
    cores = [f" cores for {chips} {name} |" for name in bounds]
    header = _HEADER + "".join(cores)
    lines = [header, "| --- " * (header.count("|") - 1) + "|"]
    return "\n".join([*lines, *(_line(row, chips, bounds) for row in rows)])


def cores_needed(row: Feeding, chips: int, bound: float) -> int:
    """Cores that make as many examples as the chips can take: chips x bound x CPU seconds.

    Args:
        row: what an example costs.
        chips: how many.
        bound: most crops of 512 pixels that one takes in a second. Smaller crops are more by as
            much as they have fewer pixels, for so does the arithmetic of a step shrink.
    """
    return math.ceil(chips * bound * (_BOUND_SIZE / row.size) ** 2 * row.cold.cpu)


def _line(row: Feeding, chips: int, bounds: Mapping[str, float]) -> str:
    def milliseconds(seconds: float) -> str:
        return f"{1e3 * seconds:.2f} ms"

    disk = row.cold.disk
    cells = [
        row.photographs,
        row.stored,
        f"{row.bytes / 1e3:.0f} kB",
        milliseconds(row.cold.cpu),
        milliseconds(row.cold.wall),
        "-" if disk is None else f"{disk / 1e3:.0f} kB",
        milliseconds(row.warm.cpu),
        *map(milliseconds, (row.decode, row.crop, row.mask)),
        f"{row.rate:.0f}",
        *(str(cores_needed(row, chips, bound)) for bound in bounds.values()),
    ]
    return f"| {' | '.join(cells)} |"
