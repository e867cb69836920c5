"""Inception features of images, computed once for each image, and the file that keeps them.

An image is known by the SHA-256 of its pixels. So a kept feature can't belong to another image,
whatever the order, the masks or the names of an evaluation are, and the features of a known set are
never computed twice.
"""

import base64
import dataclasses
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from madf_jax.all_devices import OnAllDevices
from madf_jax.errors import UserError
from madf_jax.features.inception import FEATURES, Inception
from madf_jax.features.preparation import prepare
from madf_jax.files import write_whole
from madf_jax.processes import gather
from madf_jax.weights.inception import InceptionWeights
from madf_jax.weights.tensor_files import read_npz

_FLAG = "--features"
_WEIGHTS, _KEYS, _ROWS = "weights", "images", "features"

Key = bytes
"""SHA-256 of an image's shape and pixels."""

Rows = Mapping[str, Mapping[Key, np.ndarray]]
"""Features (D,), float32, by preparation and image."""


@dataclasses.dataclass(frozen=True)
class KeptFeatures:
    """What a file of features holds.

    Attributes:
        weights: SHA-256 of the Inception weights they were computed with.
        rows: features.
    """

    weights: str
    rows: Rows


class FeatureStore:
    """Features by preparation and image.

    Args:
        preparations: names of those that are wanted.
        weights: of Inception; None if all features are kept already.
        kept: from a file.
        batch_size: images at a time.

    Raises:
        UserError: the kept features are of other weights.
    """

    def __init__(
        self,
        preparations: Iterable[str],
        weights: InceptionWeights | None,
        kept: KeptFeatures | None,
        batch_size: int,
    ) -> None:
        self._batch_size = batch_size
        self.weights = weights.sha256 if weights else kept.weights if kept else ""
        if kept is not None and kept.weights != self.weights:
            raise UserError(
                f"{_FLAG}: holds features of other Inception weights; name another file"
            )
        before = kept.rows if kept else {}
        self._rows = {name: dict(rows) for name, rows in before.items()}
        self._computed: dict[str, dict[Key, np.ndarray]] = {name: {} for name in preparations}
        self._networks = {}
        for name in self._computed:
            self._rows.setdefault(name, {})
            if weights is not None:
                self._networks[name] = _network(name, weights, batch_size)
        self._pending: dict[Key, np.ndarray] = {}

    def add(self, image: np.ndarray) -> Key:
        """Makes sure that an image's features will be there; (H, W, 3), uint8.

        Returns:
            What `features` finds them by.

        Raises:
            UserError: they are not kept, and there are no weights to compute them with.
        """
        key = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()
        if any(key not in self._rows[name] for name in self._computed):
            if not self._networks:
                raise UserError(
                    f"{_FLAG}: lacks features of an image; name the weights to compute them with, "
                    "--config.evaluation.inception_weights=FILE"
                )
            self._pending[key] = image
        if len(self._pending) >= self._batch_size:
            self._compute()
        return key

    def features(self, preparation: str, keys: Sequence[Key]) -> np.ndarray:
        """(N, 2048), float32, of the images of these keys, in their order."""
        self._compute()
        return np.stack([self._rows[preparation][key] for key in keys])

    def exchange(self) -> None:
        """Makes what any process has computed known to all of them; all must call it."""
        self._compute()
        for text in gather(base64.b85encode(_encode(self._computed)).decode()):
            with np.load(io.BytesIO(base64.b85decode(text)), allow_pickle=False) as arrays:
                for name, rows in _decode(arrays).items():
                    self._rows[name] |= rows

    def kept(self) -> KeptFeatures:
        """All features, to be written to a file."""
        self._compute()
        return KeptFeatures(self.weights, self._rows)

    def _compute(self) -> None:
        if not self._pending:
            return
        keys, images = list(self._pending), np.stack(list(self._pending.values()))
        for name, network in self._networks.items():
            computed = dict(zip(keys, network(images), strict=True))
            self._computed[name] |= computed
            self._rows[name] |= computed
        self._pending.clear()


def _network(preparation: str, weights: InceptionWeights, batch_size: int) -> OnAllDevices:
    def features(variables: object, images: jax.Array) -> jax.Array:
        return Inception().apply(variables, prepare(images, preparation))

    return OnAllDevices(features, weights.variables, batch_size)


def read_features(path: Path) -> KeptFeatures:
    """Reads a file of features.

    Raises:
        UserError: it can't be read, or holds something else.
    """
    arrays = read_npz(path)
    refused = UserError(f"{_FLAG}={path}: holds no features of images; name another file")
    for name in _preparations(arrays):
        keys, values = (arrays.get(f"{name}/{part}") for part in (_KEYS, _ROWS))
        if keys is None or values is None:
            raise refused
        if keys.dtype != np.uint8 or keys.shape[1:] != (32,) or values.dtype != np.float32:
            raise refused
        if values.shape != (len(keys), FEATURES) or not np.isfinite(values).all():
            raise refused
    if _WEIGHTS not in arrays:
        raise refused
    return KeptFeatures(str(arrays[_WEIGHTS]), _decode(arrays))


def write_features(path: Path, kept: KeptFeatures) -> None:
    """Writes a file of features, whole or not at all.

    Raises:
        UserError: it can't be written.
    """
    encoded = _encode(kept.rows, {_WEIGHTS: np.asarray(kept.weights)})
    write_whole(path, lambda temporary: temporary.write_bytes(encoded))


def _encode(rows: Rows, facts: Mapping[str, np.ndarray] | None = None) -> bytes:
    """Features as the bytes of an .npz file, with other arrays beside them."""
    arrays: dict[str, Any] = {**(facts or {})}
    for name, by_key in rows.items():
        if by_key:
            keys = np.frombuffer(b"".join(by_key), np.uint8).reshape(-1, 32)
            values = np.stack(list(by_key.values()))
            arrays |= {f"{name}/{_KEYS}": keys, f"{name}/{_ROWS}": values}
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _decode(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[Key, np.ndarray]]:
    return {
        name: {
            key.tobytes(): row
            for key, row in zip(arrays[f"{name}/{_KEYS}"], arrays[f"{name}/{_ROWS}"], strict=True)
        }
        for name in _preparations(arrays)
    }


def _preparations(arrays: Mapping[str, np.ndarray]) -> set[str]:
    return {name.partition("/")[0] for name in arrays} - {_WEIGHTS}
