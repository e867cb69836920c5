"""`train.py` whose process 1 meets an error at batch 12: `failing.py ERROR [FLAGS]`."""

import builtins
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import jax

import train
from madf_jax.training import loop

_BATCH = 12


def main() -> int:
    """Trains with the flags, until the error."""
    name, *flags = sys.argv[1:]
    iterate = loop.iterate

    def failing(dataset: Any, loader: Any, **options: Any) -> Iterator[Any]:
        for index, batch in enumerate(iterate(dataset, loader, **options)):
            if jax.process_index() == 1 and index == _BATCH:
                raise getattr(builtins, name)(13, "Permission denied", "images/7.png")
            yield batch

    loop.iterate = failing  # type: ignore[assignment]
    return train.main(flags)


if __name__ == "__main__":
    sys.exit(main())
