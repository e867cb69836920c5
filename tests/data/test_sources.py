import logging as std_logging

import numpy as np
import pytest
from absl import logging

from madf_jax.data.options import ImageOptions
from madf_jax.data.sources import PHOTOS, PhotoSource, open_images


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


def test_how_many_photographs_there_are_is_logged(caplog):
    logging.set_verbosity(logging.INFO)
    caplog.set_level(std_logging.INFO)
    open_images(ImageOptions(), training=False)
    assert caplog.messages == ["data.source=photos: 2 photographs: chelsea, flower"]
