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
    ("ids", "reds"),
    [
        (["a", "sub/a"], [0, 1]),
        (["sub/a", "a"], [1, 0]),
        (["v1.2", "set, train, record 3"], [2, 3]),
    ],
)
def test_results_are_found_by_the_ids_of_the_examples(folder, batch, ids, reds):
    painted = ResultsFolder(folder)(ids)(*batch)
    assert (painted.shape, painted.dtype) == (batch[0].shape, np.uint8)
    assert painted[:, 0, 0, 0].tolist() == reds


def test_a_missing_result_is_named(folder, batch):
    with pytest.raises(UserError, match=r"there is no result for b$"):
        ResultsFolder(folder)(["a", "b"])(*batch)


@pytest.mark.parametrize("id", ["a.2", "v1", "A", "sub", "b/a"])
def test_no_result_of_a_similar_name_takes_the_place_of_a_missing_one(folder, batch, id):
    with pytest.raises(UserError, match=f"there is no result for {id}$"):
        ResultsFolder(folder)(["a", id])(*batch)
    assert ResultsFolder(folder).find(id) is None


def test_files_that_belong_to_no_example_are_known(folder):
    assert ResultsFolder(folder).others({"a", "v1.2"}) == [
        "set, train, record 3.png",
        "sub/a.bmp",
    ]


def test_a_result_of_another_size_is_named(folder, batch):
    save(folder / "b.png", 0, (4, 6))
    with pytest.raises(UserError, match=r"b\.png: the result is 4x6 pixels and .* painted 6x4"):
        ResultsFolder(folder)(["a", "b"])(*batch)


def test_a_result_that_cannot_be_read_is_named(folder, batch):
    (folder / "a.png").write_bytes(b"text")
    with pytest.raises(UserError, match=r"a\.png: not a JPEG"):
        ResultsFolder(folder)(["a", "sub/a"])(*batch)


def test_two_results_for_one_image_are_refused(folder):
    save(folder / "a.webp", 1)
    with pytest.raises(UserError, match=r"a\.png and a\.webp are results for the same image"):
        ResultsFolder(folder)
