"""Inception features of images, computed once for each image, and the file that keeps them.

An image is known by the SHA-256 of its pixels. So a kept feature can't belong to another image,
whatever the order, the masks or the names of an evaluation are, and the features of a known set are
never computed twice.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from madf_jax.errors import UserError
from madf_jax.features.batches import OnAllDevices
from madf_jax.features.inception import FEATURES, Inception
from madf_jax.features.preparation import prepare
from madf_jax.files import write_whole
from madf_jax.weights.inception import InceptionWeights
from madf_jax.weights.tensor_files import read_npz

_FLAG = "--features"
_WEIGHTS, _KEYS, _ROWS = "weights", "images", "features"

Key = bytes
"""SHA-256 of an image's shape and pixels."""


@dataclasses.dataclass(frozen=True)
class KeptFeatures:
    """What a file of features holds.

    Attributes:
        weights: SHA-256 of the Inception weights they were computed with.
        rows: (D,), float32, by preparation and image.
    """

    weights: str
    rows: Mapping[str, Mapping[Key, np.ndarray]]


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
        self._networks = {}
        for name in preparations:
            self._rows.setdefault(name, {})
            if weights is not None:
                self._networks[name] = _network(name, weights, batch_size)
        self._preparations = tuple(preparations)
        self._pending: dict[Key, np.ndarray] = {}

    def add(self, image: np.ndarray) -> Key:
        """Makes sure that an image's features will be there; (H, W, 3), uint8.

        Returns:
            What `features` finds them by.

        Raises:
            UserError: they are not kept, and there are no weights to compute them with.
        """
        key = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()
        if any(key not in self._rows[name] for name in self._preparations):
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

    def kept(self) -> KeptFeatures:
        """All features, to be written to a file."""
        self._compute()
        return KeptFeatures(self.weights, self._rows)

    def _compute(self) -> None:
        if not self._pending:
            return
        keys, images = list(self._pending), np.stack(list(self._pending.values()))
        for name, network in self._networks.items():
            self._rows[name] |= zip(keys, network(images), strict=True)
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
    rows: dict[str, dict[Key, np.ndarray]] = {}
    for name in {name.partition("/")[0] for name in arrays} - {_WEIGHTS}:
        keys, values = (arrays.get(f"{name}/{part}") for part in (_KEYS, _ROWS))
        if keys is None or values is None:
            raise refused
        if keys.dtype != np.uint8 or keys.shape[1:] != (32,) or values.dtype != np.float32:
            raise refused
        if values.shape != (len(keys), FEATURES) or not np.isfinite(values).all():
            raise refused
        rows[name] = {key.tobytes(): row for key, row in zip(keys, values, strict=True)}
    if _WEIGHTS not in arrays:
        raise refused
    return KeptFeatures(str(arrays[_WEIGHTS]), rows)


def write_features(path: Path, kept: KeptFeatures) -> None:
    """Writes a file of features, whole or not at all.

    Raises:
        UserError: it can't be written.
    """
    arrays: dict[str, Any] = {_WEIGHTS: np.asarray(kept.weights)}
    for name, rows in kept.rows.items():
        if rows:
            keys = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 32)
            arrays |= {f"{name}/{_KEYS}": keys, f"{name}/{_ROWS}": np.stack(list(rows.values()))}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)

    write_whole(path, write)
