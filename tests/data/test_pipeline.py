import dataclasses
import itertools
import json

import numpy as np
import pytest
from PIL import Image

from madf_jax.data.options import ImageOptions, LoaderOptions, MaskOptions
from madf_jax.data.pipeline import evaluation_dataset, iterate, training_data
from madf_jax.errors import UserError

PHOTOS = ImageOptions(size=32, resize_min=32, resize_max=96)
MASKS = MaskOptions()


def batches(dataset, count, start=0, **loader):
    loader = LoaderOptions(**{"num_threads": 2, "prefetch": 4, **loader})
    return list(itertools.islice(iterate(dataset, loader, start=start), count))


def assert_same(some, others):
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def numbered_folder(directory, count):
    """Images whose red is their number."""
    for i in range(count):
        Image.new("RGB", (40, 40), (i, 0, 0)).save(directory / f"{i:03}.png")
    return ImageOptions(
        source="folder", train_path=str(directory), size=16, resize_min=16, resize_max=16
    )


def train(images=PHOTOS, masks=MASKS, *, seed=7, batch_size=4, index=0, count=1):
    return training_data(
        images, masks, seed=seed, batch_size=batch_size, process_index=index, process_count=count
    )


def test_a_batch_is_bytes():
    (batch,) = batches(train().dataset, 1)
    assert batch["image"].shape == (4, 32, 32, 3) and batch["image"].dtype == np.uint8
    assert batch["mask"].shape == (4, 32, 32, 1) and batch["mask"].dtype == np.uint8
    assert set(np.unique(batch["mask"])) == {0, 1}


@pytest.mark.parametrize(
    ("loader", "start"),
    [({"num_threads": 1}, 0), ({"num_threads": 3}, 0), ({}, 4)],
)
def test_threads_and_start_do_not_change_batches(loader, start):
    dataset = train().dataset
    expected = [dataset[i] for i in range(start, start + 5)]
    assert_same(batches(dataset, 5, start, **loader), expected)


def test_another_seed_gives_other_batches():
    first, other = (train(seed=seed).dataset[0] for seed in (7, 8))
    assert (first["image"] != other["image"]).any() and (first["mask"] != other["mask"]).any()


def test_processes_interleave_to_the_one_process_batch():
    whole = train().dataset
    halves = [train(index=i, count=2).dataset for i in range(2)]
    for step in range(5):
        for name, expected in whole[step].items():
            assert halves[0][step][name].shape[0] == 2
            joined = np.stack([half[step][name] for half in halves], 1).reshape(expected.shape)
            np.testing.assert_array_equal(joined, expected)


def test_every_epoch_is_another_permutation(tmp_path):
    dataset = train(numbered_folder(tmp_path, 12)).dataset  # 3 batches of 4 an epoch
    reds = np.concatenate([dataset[i]["image"][:, 0, 0, 0] for i in range(9)]).reshape(3, 12)
    assert (np.sort(reds) == np.arange(12)).all()
    assert len({tuple(epoch) for epoch in reds}) == 3 and (reds != np.arange(12)).any(1).all()


def test_epochs_stay_permutations_when_batches_straddle_them(tmp_path):
    halves = [train(numbered_folder(tmp_path, 5), index=i, count=2).dataset for i in range(2)]
    pairs = [[half[step]["image"][:, 0, 0, 0] for half in halves] for step in range(5)]
    reds = np.stack(pairs).transpose(0, 2, 1).reshape(4, 5)
    assert (np.sort(reds) == np.arange(5)).all()


def test_crops_and_masks_differ_between_epochs(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "only.png")
    options = ImageOptions(
        source="folder", train_path=str(tmp_path), size=16, resize_min=64, resize_max=64
    )
    batch = train(options, batch_size=8).dataset[0]
    assert len({image.tobytes() for image in batch["image"]}) == 8
    assert len({mask.tobytes() for mask in batch["mask"]}) == 8


def test_batch_must_divide_among_processes():
    with pytest.raises(UserError, match="batch_size 4 must be a positive multiple of the 3"):
        train(count=3)


def test_fingerprint_is_json_and_equal_in_all_processes():
    fingerprint = train().fingerprint
    assert json.loads(json.dumps(fingerprint)) == fingerprint
    assert train(index=1, count=2).fingerprint == fingerprint


def test_fingerprint_notices_what_changes_batches(tmp_path):
    prints = [
        train().fingerprint,
        train(seed=8).fingerprint,
        train(batch_size=8).fingerprint,
        train(ImageOptions(size=32, resize_min=32, resize_max=97)).fingerprint,
        train(masks=MaskOptions(hole_max=0.5)).fingerprint,
        train(numbered_folder(tmp_path, 3)).fingerprint,
        train(numbered_folder(tmp_path, 4)).fingerprint,
    ]
    assert len({json.dumps(p) for p in prints}) == len(prints)


def evaluate(images=PHOTOS, masks=MASKS, *, count, batch_size=4, seed=1):
    """In batches, to be compared with the ones of a training."""
    examples = evaluation_dataset(images, masks, seed=seed, count=count)
    return examples.batch(batch_size, drop_remainder=False)


def test_count_zero_is_every_image_once_in_order(tmp_path):
    options = numbered_folder(tmp_path, 7)
    options = ImageOptions(
        source="folder", evaluation_path=options.train_path, size=16, resize_min=16, resize_max=16
    )
    shown = batches(evaluate(options, count=0), 99)
    assert np.concatenate([b["image"][:, 0, 0, 0] for b in shown]).tolist() == list(range(7))


def test_evaluation_examples_do_not_depend_on_count_or_batch_size():
    few, many = evaluate(count=3, batch_size=3)[0], evaluate(count=9, batch_size=9)[0]
    assert_same([few], [{name: values[:3] for name, values in many.items()}])


def test_random_evaluation_crops_differ_and_fixed_ones_do_not():
    for crop, distinct in (("random", 6), ("center", 2), ("squash", 2)):
        options = ImageOptions(size=32, resize_min=32, resize_max=96, evaluation_crop=crop)
        images = evaluate(options, count=6, batch_size=6)[0]["image"]
        assert len({image.tobytes() for image in images}) == distinct


def save_mask(path, columns):
    """A hole at the left, so many of 32 columns wide."""
    gray = np.full((32, 32), 255, np.uint8)
    gray[:, :columns] = 0
    Image.fromarray(gray).save(path)


def test_images_without_masks_of_their_name_are_paired_by_order(tmp_path):
    for i, columns in enumerate((4, 8, 12)):
        save_mask(tmp_path / f"{i}.png", columns)
    masks = MaskOptions(source="folder", evaluation_path=str(tmp_path))
    shown = evaluate(masks=masks, count=6, batch_size=6, seed=5)[0]["mask"]
    np.testing.assert_allclose(1 - shown.mean((1, 2, 3)), [1 / 8, 1 / 4, 3 / 8] * 2)
    np.testing.assert_array_equal(
        shown, evaluate(masks=masks, count=6, batch_size=6, seed=6)[0]["mask"]
    )


def test_held_out_examples_say_who_they_are(tmp_path):
    images = numbered_folder(tmp_path, 3)
    images = dataclasses.replace(images, train_path="", evaluation_path=images.train_path)
    (tmp_path / ".masks").mkdir()  # hidden: not among the images
    for name in ("a.png", "b.png"):
        save_mask(tmp_path / ".masks" / name, 8)
    masks = MaskOptions(source="folder", evaluation_path=str(tmp_path / ".masks"))
    shown = batches(evaluate(images, masks, count=4, batch_size=3), 99)
    assert [batch["index"].tolist() for batch in shown] == [[0, 1, 2], [3]]
    names = {key: [n for batch in shown for n in batch[key]] for key in ("image_name", "mask_name")}
    assert names["image_name"] == ["000.png", "001.png", "002.png", "000.png"]
    assert names["mask_name"] == ["a.png", "b.png"] * 2
    generated = evaluate(count=2)[0]
    assert generated["image_name"].tolist() == ["chelsea", "flower"]
    assert generated["mask_name"].tolist() == ["generated-0", "generated-1"]


def test_held_out_images_are_paired_with_masks_of_their_names(tmp_path):
    """In one folder, as LaMa has them, where the two sort differently."""
    for i, name in enumerate(("cat", "cat_10", "cat_2")):
        Image.new("RGB", (40, 40), (i, 0, 0)).save(tmp_path / f"{name}.jpg", quality=100)
        save_mask(tmp_path / f"{name}_mask.png", 4 * (i + 1))
    folder = {"source": "folder", "evaluation_path": str(tmp_path)}
    images = ImageOptions(**folder, size=32, resize_min=32, resize_max=32)
    (batch,) = batches(evaluate(images, MaskOptions(**folder), count=0), 9)
    assert batch["image_name"].tolist() == ["cat.jpg", "cat_10.jpg", "cat_2.jpg"]
    assert batch["mask_name"].tolist() == ["cat_mask.png", "cat_10_mask.png", "cat_2_mask.png"]
    np.testing.assert_allclose(1 - batch["mask"].mean((1, 2, 3)), [1 / 8, 1 / 4, 3 / 8])
    folder = {"source": "folder", "train_path": str(tmp_path)}
    options = ImageOptions(**folder, size=32, resize_min=32, resize_max=32)
    drawn = train(options, MaskOptions(**folder, rotate_degrees=0), batch_size=60).dataset[0]
    assert drawn["image"].max() < 9  # no mask among the images, and no image among the masks:
    holes = {round(32 * (1 - mask.mean())) for mask in drawn["mask"]}
    assert holes == {4, 8, 12}


def test_training_batches_hold_arrays_for_the_devices_only():
    assert train().dataset[0].keys() == {"image", "mask"}


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: ImageOptions(source="web"), r"data\.source is 'web'; use 'photos', 'folder'"),
        (lambda: ImageOptions(bad_files="drop"), r"data\.bad_files .*'skip' or 'refuse'"),
        (lambda: ImageOptions(check_files="no"), r"data\.check_files"),
        (lambda: ImageOptions(evaluation_crop="left"), r"data\.evaluation_crop"),
        (lambda: ImageOptions(size=256, resize_min=128), r"data\.size <= data\.resize_min"),
        (lambda: ImageOptions(size=256, resize_min=300, resize_max=290), r"data\.resize_max"),
        (lambda: ImageOptions(source="tfds"), r"data\.tfds_name"),
        (lambda: ImageOptions(min_side=0), r"data\.min_side"),
        (lambda: MaskOptions(source="x"), r"masks\.source"),
        (lambda: MaskOptions(hole="gray"), r"masks\.hole is 'gray'; use 'black' or 'white'"),
        (lambda: MaskOptions(hole_min=0.4, hole_max=0.3), r"masks\.hole_min"),
        (lambda: MaskOptions(hole_max=1.1), r"masks\.hole_max"),
        (lambda: MaskOptions(strokes=(3, 1)), r"masks\.strokes"),
        (lambda: MaskOptions(box_side=(0.1, 2)), r"masks\.box_side"),
        (lambda: MaskOptions(strokes=(0, 0), boxes=(0, 0)), r"masks\.strokes .* masks\.boxes"),
        (lambda: MaskOptions(rotate_degrees=-1), r"masks\.rotate_degrees"),
        (lambda: LoaderOptions(num_threads=-1), r"loader\.num_threads"),
        (lambda: LoaderOptions(prefetch=0), r"loader\.prefetch"),
    ],
)
def test_wrong_options_name_their_key(make, key):
    with pytest.raises(UserError, match=key):
        make()
