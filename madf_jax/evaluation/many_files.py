"""Work on many files at once, and one message about all that went wrong."""

import os
from collections.abc import Callable, Iterable
from multiprocessing.pool import ThreadPool
from typing import Any, TypeVar

from tqdm import tqdm

from madf_jax.data.listing import count_of, summarize
from madf_jax.errors import UserError

SHOWN = 20
"""Faults that a message names."""

_WITHOUT_PROGRESS = 1000  # files
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def map_files(
    function: Callable[[_Item], _Result], items: Iterable[_Item], what: str, advice: str
) -> list[_Result]:
    """Applies a function to each item, in threads.

    Args:
        function: raises UserError for a file that can't be used.
        items: files, or what stands for them.
        what: is being done, for the progress bar.
        advice: what to do about the files that can't be used.

    Returns:
        The results in the order of the items.

    Raises:
        UserError: some could not be used; the message names the first of them and counts all.
    """
    items = list(items)

    def attempt(item: _Item) -> tuple[_Result | None, str]:
        try:
            return function(item), ""
        except UserError as error:
            return None, str(error)

    with ThreadPool(min(32, 2 * (os.cpu_count() or 1))) as pool:
        quiet = len(items) <= _WITHOUT_PROGRESS
        done = list(tqdm(pool.imap(attempt, items, chunksize=4), what, len(items), disable=quiet))
    faults = [fault for _, fault in done if fault]
    if faults:
        raise UserError(
            f"{len(faults)} of {count_of(len(items), 'file')} can't be used: "
            f"{summarize(faults, SHOWN)}; {advice}"
        )
    results: list[Any] = [result for result, _ in done]
    return results
