"""Which batches a series is measured at: powers of two up to the largest that fits."""

from collections.abc import Callable, Iterator

from madf_jax.benchmark.gpu.series import Row

_FACTOR = 4  # at first: each batch is compiled, and time may run out


def growing_batches(measure: Callable[[int], Row], largest: int) -> Iterator[Row]:
    """Rows at 1, 4, 16, ... until one fails, then at the powers of two between, largest first.

    Args:
        measure: a row of a batch; one that failed has a note.
        largest: no batch is larger.
    """
    fitting, batch = [], 1
    while batch <= largest:
        row = measure(batch)
        yield row
        if row.note:
            break
        fitting.append(batch)
        batch *= _FACTOR
    for batch in reversed(fitting):
        if 2 * batch <= largest:
            yield measure(2 * batch)
