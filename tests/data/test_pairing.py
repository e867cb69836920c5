import pytest

from madf_jax.data.pairing import pair_by_name


def named(images, masks):
    return [[masks[index] for index in own] for own in pair_by_name(images, masks)]


def test_order_of_names_does_not_matter():
    images = ["cat.png", "cat_10.png", "cat_2.png"]
    masks = ["cat_10_mask.png", "cat_2_mask.png", "cat_mask.png"]
    assert named(images, masks) == [["cat_mask.png"], ["cat_10_mask.png"], ["cat_2_mask.png"]]


@pytest.mark.parametrize(
    "mask",
    [
        "a.jpg",
        "a_mask.jpg",
        "a-mask.png",
        "a_mask001.png",
        "a_Mask_7.png",
        "deep/a.png",
        "x/a-mask.png",
    ],
)
def test_the_ways_to_name_a_mask(mask):
    assert named(["b.png", "a.png"], [mask, "c.png"]) == [[], [mask]]


def test_subfolders_tell_images_of_one_name_apart():
    images = ["cats/1.png", "dogs/1.png"]
    assert named(images, ["cats/1_mask.png", "dogs/1.jpg", "1.png", "birds/1.png"]) == [
        ["cats/1_mask.png"],
        ["dogs/1.jpg"],
    ]


def test_images_that_differ_by_their_suffix_share_their_masks():
    images = ["a.jpg", "a.png", "b/c.jpg", "b/c.webp"]
    found = [["a_mask.png"], ["a_mask.png"], ["c.png"], ["c.png"]]
    assert named(images, ["a_mask.png", "c.png"]) == found


def test_an_image_may_have_several_masks_in_order():
    masks = ["a_mask000.png", "a_mask001.png", "b.png"]
    assert named(["a.png", "b.png"], masks) == [["a_mask000.png", "a_mask001.png"], ["b.png"]]


def test_the_very_name_comes_before_one_with_an_end():
    assert named(["x.png", "x_mask.png"], ["x_mask.png", "x_mask_mask.png"]) == [
        [],
        ["x_mask.png", "x_mask_mask.png"],
    ]


def test_names_without_a_suffix_pair_too():
    assert named(["chelsea", "flower"], ["flower_mask.png"]) == [[], ["flower_mask.png"]]
    assert named([], ["a.png"]) == []
