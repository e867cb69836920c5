"""Names, shapes and checksums of the arrays of a checkpoint.

`manager` and `reading` compare them with those that were saved, which is where damage is noticed.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from madf_jax.errors import UserError
from madf_jax.files import AnyPath

_NAMED = 5
_CHUNK = 2**20  # words; a checksum on the host needs little memory


def describe(tree: Any) -> dict[str, str]:
    """Name, dtype and shape of every array of a tree: `{"params/...": "float32[3,3]"}`."""
    return {
        name_of(path): f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def name_of(path: tuple[Any, ...]) -> str:
    """The name of an array from its path in a tree: `params/encoder/...`."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def digest(tree: Any) -> list[int]:
    """A checksum of each array, below 2**32; any change of one word changes it.

    It is computed where the array is: on the device, or with NumPy if that is the host.

    Args:
        tree: of NumPy arrays or of replicated `jax.Array`s, of 2 or 4 bytes an element.
    """
    # All are begun before the first is waited for.
    sums = [
        _checksum(x) if _on_device(x) else _checksum_on_host(np.asarray(x))
        for x in jax.tree.leaves(tree)
    ]
    return [int(x) for x in sums]


def require_arrays(path: AnyPath, saved: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Compares what `describe` says of a checkpoint with what a config needs.

    Raises:
        UserError: they differ; the message names the first arrays.
    """
    if saved == wanted:
        return
    names = [name for name in sorted({*saved, *wanted}) if saved.get(name) != wanted.get(name)]
    shown = "; ".join(
        f"{name}: {saved.get(name, 'absent')} there, {wanted.get(name, 'absent')} by the config"
        for name in names[:_NAMED]
    )
    more = f"; and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    raise UserError(
        f"{path} was written by another config ({shown}{more}); "
        "use its own config, or another --workdir"
    )


def _on_device(x: Any) -> bool:
    return isinstance(x, jax.Array) and any(d.platform != "cpu" for d in x.devices())


# Odd factors have inverses modulo 2**32, so no change of one word can vanish; distinct ones also
# detect swapped words.


@jax.jit
def _checksum(x: jax.Array) -> jax.Array:
    word = jnp.uint16 if x.dtype.itemsize == 2 else jnp.uint32
    words = lax.bitcast_convert_type(x, word).reshape(-1).astype(jnp.uint32)
    factors = 2 * jnp.arange(words.size, dtype=jnp.uint32) + 1
    return jnp.sum(words * factors, dtype=jnp.uint32)


def _checksum_on_host(x: np.ndarray) -> int:
    word = np.uint16 if x.dtype.itemsize == 2 else np.uint32
    words: np.ndarray = np.ascontiguousarray(x).reshape(-1).view(word)
    total = 0
    for start in range(0, words.size, _CHUNK):
        chunk = words[start : start + _CHUNK].astype(np.uint32)
        factors = 2 * np.arange(start, start + chunk.size, dtype=np.uint32) + 1
        total += int(np.sum(factors * chunk, dtype=np.uint32))
    return total % 2**32
