import numpy as np
import pytest

from madf_jax.data.sources import PHOTOS, PhotoSource


def test_photographs_of_training_and_evaluation_are_disjoint():
    train, held_out = PhotoSource("train"), PhotoSource("held_out")
    assert set(held_out.names) == {"chelsea", "flower"} and len(train) == 6
    images = [source[i] for source in (train, held_out) for i in range(len(source))]
    assert all(p.dtype == np.uint8 and p.ndim == 3 and p.shape[2] == 3 for p in images)
    assert len({p.tobytes() for p in images}) == len(PHOTOS["train"]) + len(PHOTOS["held_out"])


def test_photographs_are_kept_in_memory_and_cannot_be_changed():
    source = PhotoSource("held_out")
    assert source[0] is source[0]
    with pytest.raises(ValueError, match="read-only"):
        source[0][0] = 0


def test_photographs_have_names():
    assert PhotoSource("held_out").name(1) == "flower"
