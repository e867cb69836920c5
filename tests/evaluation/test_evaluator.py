"""Scoring methods that need no network on real held-out examples."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from PIL import Image

from madf_jax.data.options import ImageOptions, LoaderOptions, MaskOptions
from madf_jax.data.pipeline import evaluation_dataset
from madf_jax.errors import UserError
from madf_jax.evaluation.evaluator import Evaluator
from madf_jax.evaluation.scored import Scored, gather_scored
from madf_jax.evaluation.summary import Summary
from madf_jax.inference.classical import CLASSICAL
from madf_jax.inference.inpaint import any_image
from madf_jax.inference.results_folder import ResultsFolder
from madf_jax.metrics.metric import METRICS, score_batch

IMAGES = ImageOptions(size=16, resize_min=16, resize_max=16, evaluation_crop="squash")


def invert(images, masks):
    return 255 - images


BASIC = {name: METRICS[name] for name in ("psnr", "ssim", "l1", "hole_l1")}
METHODS = {name: any_image(fill) for name, fill in {"invert": invert, **CLASSICAL}.items()}


def make_evaluator(images=IMAGES, *, count=5, batch_size=2):
    examples = evaluation_dataset(images, MaskOptions(), seed=1, count=count)
    return Evaluator(examples, batch_size, LoaderOptions(num_threads=2))


@pytest.fixture
def folder(tmp_path):
    """Three images of noise, of the size they are scored at."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    for name, pixels in zip("abc", noise, strict=True):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    path = str(tmp_path)
    return dataclasses.replace(IMAGES, source="folder", evaluation_path=path, min_side=16)


def test_examples_carry_their_identity_and_what_each_method_made_of_them():
    examples = list(make_evaluator().run(METHODS, BASIC))
    assert [example.index for example in examples] == list(range(5))
    assert [example.image_name for example in examples] == ["chelsea", "flower"] * 2 + ["chelsea"]
    assert [example.mask_name for example in examples] == [f"generated-{i}" for i in range(5)]
    for example in examples:
        assert tuple(example.scores) == tuple(example.composites) == tuple(METHODS)
        np.testing.assert_array_equal(example.painted["invert"], 255 - example.image)
        for method, composite in example.composites.items():
            known = example.mask[..., 0] == 1
            np.testing.assert_array_equal(composite[known], example.image[known])
            np.testing.assert_array_equal(composite[~known], example.painted[method][~known])
            batch = (composite[None], example.image[None], example.mask[None])
            assert [example.scores[method]] == score_batch(*batch, BASIC)


def test_what_is_kept_of_an_example_says_how_much_of_it_is_hole():
    for example in make_evaluator().run(METHODS, BASIC):
        kept = Scored.of(example)
        assert kept.share == pytest.approx(1 - example.mask.mean())
        assert (kept.id, kept.scores) == (example.id, example.scores)


def test_the_summary_depends_on_neither_batches_nor_how_parts_are_merged():
    def summarize(examples):
        return functools.reduce(Summary.update, (e.scores for e in examples), Summary())

    whole = summarize(make_evaluator(batch_size=5).run(METHODS, BASIC))
    for batch_size in (1, 3):
        examples = list(make_evaluator(batch_size=batch_size).run(METHODS, BASIC))
        assert summarize(examples) == whole
        assert summarize(examples[3:]).merge(summarize(examples[:3])) == whole


def test_only_the_metrics_asked_for_are_computed():
    (example,) = make_evaluator(count=1).run(METHODS, {"psnr": METRICS["psnr"]})
    assert all(values.keys() == {"psnr"} for values in example.scores.values())


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_processes_share_the_examples(monkeypatch, count):
    monkeypatch.setattr(jax, "process_count", lambda: count)
    shares = []
    for index in range(count):
        monkeypatch.setattr(jax, "process_index", lambda index=index: index)
        shares.append([Scored.of(example) for example in make_evaluator().run(METHODS, BASIC)])
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    monkeypatch.setattr(jax, "process_count", lambda: 1)
    monkeypatch.setattr(jax, "process_index", lambda: 0)
    whole = [Scored.of(example) for example in make_evaluator().run(METHODS, BASIC)]
    everyones = [scored for share in shares for scored in share]
    assert sorted(everyones, key=lambda scored: scored.index) == gather_scored(whole) == whole


def test_the_results_of_another_program_are_scored_as_its_own_method(folder, tmp_path):
    """Handed over as files, Telea's results get the scores of Telea."""
    results = tmp_path / ".results"
    results.mkdir()
    for example in make_evaluator(folder, count=0).run(METHODS, BASIC):
        image = Image.fromarray(example.composites["telea"])
        image.save(results / f"{example.id}.bmp")
    methods = {**METHODS, "theirs": ResultsFolder(results)}
    examples = list(make_evaluator(folder, count=0).run(methods, BASIC))
    assert len(examples) == 3
    assert all(e.scores["theirs"] == e.scores["telea"] != e.scores["invert"] for e in examples)
    (results / "1.bmp").unlink()
    methods["theirs"] = ResultsFolder(results)
    with pytest.raises(UserError, match=r"there is no result for 1"):
        list(make_evaluator(folder, count=0).run(methods, BASIC))


def test_an_image_that_cannot_be_read_is_named_and_not_replaced(folder, tmp_path):
    evaluator = make_evaluator(folder, count=0)
    (tmp_path / "b.png").write_bytes(b"gone")
    with pytest.raises(UserError, match=r"b\.png: not a JPEG.*held-out images are never skipped"):
        list(evaluator.run(METHODS, BASIC))


def test_examples_are_picked_as_they_were_scored():
    evaluator = make_evaluator(count=5, batch_size=2)
    examples = list(evaluator.run(METHODS, {}))
    picked = evaluator.pick([4, 1], METHODS)
    assert [example.index for example in picked] == [4, 1]
    assert not any(picked[0].scores.values())
    assert evaluator.pick([], METHODS) == []
    for one in picked:
        np.testing.assert_array_equal(one.mask, examples[one.index].mask)
        for method, composite in one.composites.items():
            np.testing.assert_array_equal(composite, examples[one.index].composites[method])
