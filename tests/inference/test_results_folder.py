import numpy as np
import pytest
from PIL import Image

from madf_jax.errors import UserError
from madf_jax.inference.results_folder import ResultsFolder


def save(path, red, size=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (red, 0, 0)).save(path)


@pytest.fixture
def folder(tmp_path):
    for red, name in enumerate(("a.png", "sub/a.bmp", "v1.2.png", "set, train, record 3.png")):
        save(tmp_path / name, red)
    return tmp_path


@pytest.fixture
def batch():
    return np.full((2, 4, 6, 3), 99, np.uint8), np.ones((2, 4, 6, 1), np.uint8)


@pytest.mark.parametrize(
    ("names", "reds"),
    [
        (["a.jpg", "sub/a.png"], [0, 1]),
        (["sub/a.bmp", "a"], [1, 0]),
        (["v1.2.jpg", "set, train, record 3"], [2, 3]),
    ],
)
def test_results_are_found_by_the_names_of_the_originals(folder, batch, names, reds):
    painted = ResultsFolder(folder)(names)(*batch)
    assert (painted.shape, painted.dtype) == (batch[0].shape, np.uint8)
    assert painted[:, 0, 0, 0].tolist() == reds


def test_a_missing_result_is_named(folder, batch):
    with pytest.raises(UserError, match=r"there is no result for b\.png"):
        ResultsFolder(folder)(["a.png", "b.png"])(*batch)


def test_a_result_of_another_size_is_named(folder, batch):
    save(folder / "b.png", 0, (4, 6))
    with pytest.raises(UserError, match=r"b\.png: the result is 4x6 pixels and .* painted 6x4"):
        ResultsFolder(folder)(["a.png", "b.png"])(*batch)


def test_a_result_that_cannot_be_read_is_named(folder, batch):
    (folder / "a.png").write_bytes(b"text")
    with pytest.raises(UserError, match=r"a\.png: not a JPEG"):
        ResultsFolder(folder)(["a.png", "sub/a.png"])(*batch)


def test_two_results_for_one_image_are_refused(folder):
    save(folder / "a.webp", 1)
    with pytest.raises(UserError, match=r"a\.png and a\.webp are results for the same image"):
        ResultsFolder(folder)
