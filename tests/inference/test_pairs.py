"""Which image with which mask, and where results go."""

import os

import pytest

from madf_jax.errors import UserError
from madf_jax.inference.pairs import Task, make_plan, require_other_files


@pytest.fixture
def tree(tmp_path):
    """Files of no content, by their names."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def test_one_image_one_mask_one_file(tree):
    root = tree("a.jpg", "m.png")
    plan = make_plan(root / "a.jpg", root / "m.png", root / "out" / "b.webp")
    assert plan.tasks == [Task(root / "a.jpg", root / "m.png", root / "out" / "b.webp")]
    assert plan.problems == plan.remarks == []


@pytest.mark.parametrize("output", ["there", "new"])
def test_one_image_into_a_directory_keeps_its_name(output, tree):
    root = tree("a.jpg", "m.png", "there/x")
    (task,) = make_plan(root / "a.jpg", root / "m.png", root / output).tasks
    assert task.output == root / output / "a.jpg"


def test_an_image_of_a_format_that_is_not_read_says_so_before_its_output_does(tree):
    root = tree("a.heic", "m.png", "out/x")
    assert len(make_plan(root / "a.heic", root / "m.png", root / "out").tasks) == 1


def test_a_directory_with_one_mask_for_all(tree):
    root = tree("in/b.png", "in/deep/a.TIF", "in/notes.txt", "in/.hidden.png", "m.png")
    plan = make_plan(root / "in", root / "m.png", root / "out")
    assert [task.image for task in plan.tasks] == [root / "in/b.png", root / "in/deep/a.TIF"]
    assert [task.output for task in plan.tasks] == [root / "out/b.png", root / "out/deep/a.TIF"]
    assert {task.mask for task in plan.tasks} == {root / "m.png"}
    assert plan.problems == []
    (remark,) = plan.remarks
    assert "left out: 1 file of other types (1 .txt)" in remark


def test_masks_of_the_same_name_whatever_their_suffix(tree):
    root = tree("in/a.jpg", "in/deep/a.jpg", "masks/a.png", "masks/deep/a.webp")
    plan = make_plan(root / "in", root / "masks", root / "out")
    assert [task.mask for task in plan.tasks] == [root / "masks/a.png", root / "masks/deep/a.webp"]


def test_masks_beside_their_images(tree):
    root = tree("in/a.jpg", "in/a_mask.png", "in/b.jpg", "in/b_mask.png")
    plan = make_plan(root / "in", root / "in", root / "out")
    assert [(task.image.name, task.mask.name) for task in plan.tasks] == [
        ("a.jpg", "a_mask.png"),
        ("b.jpg", "b_mask.png"),
    ]


@pytest.mark.parametrize("masks", ["masks", "in/masks"])
def test_names_mean_nothing_where_masks_have_a_directory_of_their_own(masks, tree):
    names = ("a", "b", "b_mask")
    root = tree(*(f"in/{name}.jpg" for name in names), *(f"{masks}/{name}.png" for name in names))
    plan = make_plan(root / "in", root / masks, root / "out")
    assert plan.problems == plan.remarks == []
    assert [(task.image.stem, task.mask) for task in plan.tasks] == [
        (name, root / masks / f"{name}.png") for name in names
    ]


@pytest.mark.parametrize("image", ["in", "in/a.jpg"])
@pytest.mark.parametrize("mask", ["in", "."])
def test_no_image_is_its_own_mask(image, mask, tree):
    root = tree("in/a.jpg")
    plan = make_plan(root / image, root / mask, root / "out")
    assert plan.tasks == []
    assert plan.problems == [f"{root / 'in/a.jpg'}: needs one mask in {root / mask}, found none"]


def test_masks_in_a_directory_above_the_images(tree):
    root = tree("a_mask.png", "in/a.jpg", "b_mask.png", "in/b.jpg")
    plan = make_plan(root / "in", root, root / "out")
    assert [task.mask.name for task in plan.tasks] == ["a_mask.png", "b_mask.png"]


def test_one_image_and_a_directory_of_masks(tree):
    root = tree("a.jpg", "masks/a.png", "masks/b.png")
    (task,) = make_plan(root / "a.jpg", root / "masks", root / "out").tasks
    assert task.mask == root / "masks/a.png"


def test_an_image_without_a_mask_or_with_two_is_reported_and_the_rest_goes_on(tree):
    root = tree("in/a.jpg", "in/b.jpg", "in/c.jpg", "masks/a.png", "masks/c.png", "masks/x/c.png")
    plan = make_plan(root / "in", root / "masks", root / "out")
    assert [task.image.name for task in plan.tasks] == ["a.jpg"]
    assert plan.problems == [
        f"{root / 'in/b.jpg'}: needs one mask in {root / 'masks'}, found none",
        f"{root / 'in/c.jpg'}: needs one mask in {root / 'masks'}, found c.png, x/c.png",
    ]


def test_masks_and_results_below_the_images_are_no_images(tree):
    root = tree("in/a.jpg", "in/masks/a.png", "in/out/a.jpg", "in/m.png")
    plan = make_plan(root / "in", root / "in/m.png", root / "in/out")
    names = [task.image.relative_to(root / "in").as_posix() for task in plan.tasks]
    assert names == ["a.jpg", "masks/a.png"]
    (task,) = make_plan(root / "in", root / "in/masks", root / "in/out").tasks[:1]
    assert task.mask == root / "in/masks/a.png"


def test_results_around_the_images_leave_them_images(tree):
    root = tree("in/a.jpg", "m.png")
    assert len(make_plan(root / "in", root / "m.png", root).tasks) == 1


@pytest.mark.parametrize(
    ("image", "mask", "output", "message"),
    [
        ("empty", "m.png", "out", "empty: no images found"),
        ("in", "empty", "out", "empty: no images found"),
        ("in/a.jpg", "m.png", "b.psd", "b.psd: the suffix .psd names no format to write"),
        ("none", "m.png", "out", "none: there is no such file or directory"),
        ("in", "none", "out", "none: there is no such file or directory"),
        ("in", "m.png", "file", "file: is a file; the results of a directory need a directory"),
    ],
)
def test_what_leaves_nothing_to_do_is_refused(image, mask, output, message, tree):
    root = tree("in/a.jpg", "m.png", "file")
    (root / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        make_plan(root / image, root / mask, root / output)


@pytest.mark.parametrize(
    ("image", "mask", "output"),
    [("in", "m.png", "in"), ("in/a.jpg", "m.png", "in/a.jpg"), ("in/a.jpg", "m.png", "m.png")],
)
def test_inputs_are_not_written_over(image, mask, output, tree):
    root = tree("in/a.jpg", "m.png")
    tasks = make_plan(root / image, root / mask, root / output).tasks
    with pytest.raises(UserError, match=r"is an input; choose another --output, or .*--overwrite"):
        require_other_files(tasks)


def test_a_link_to_an_input_is_one(tree):
    root = tree("a.jpg", "m.png")
    os.symlink(root / "a.jpg", root / "link.jpg")
    with pytest.raises(UserError, match="is an input"):
        require_other_files([Task(root / "a.jpg", root / "m.png", root / "link.jpg")])
    require_other_files([Task(root / "a.jpg", root / "m.png", root / "other.jpg")])
