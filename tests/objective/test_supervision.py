import jax
import jax.numpy as jnp
import numpy as np
import pytest

from madf_jax.errors import UserError
from madf_jax.objective import terms
from madf_jax.objective.supervision import TERMS, Objective, feature_terms, total_loss

OFF = dict.fromkeys(TERMS, 0.0)


def features(image):
    """A stand-in for VGG-16: two stages that depend on every pixel."""
    return jnp.square(image) + image, image[:, ::2, ::2] * image[:, 1::2, 1::2]


@pytest.fixture(scope="module")
def case():
    generator = np.random.default_rng(0)
    image, *outputs = generator.standard_normal((5, 2, 4, 4, 3)).astype(np.float32)
    mask = generator.integers(0, 2, (2, 4, 4, 1)).astype(np.uint8)
    return outputs, image, mask


@pytest.mark.parametrize(
    ("refinements", "expected"),
    [
        (0, {"valid": [0], "hole": [0], "perceptual": [0], "style": [0], "tv": [0]}),
        (1, {"valid": [0, 1], "hole": [0, 1], "perceptual": [1], "style": [1], "tv": [1]}),
        (
            2,
            {
                "valid": [0, 1, 2],
                "hole": [0, 1, 2],
                "perceptual": [1, 2],
                "style": [2],
                "tv": [2],
            },
        ),
        (
            3,
            {
                "valid": [0, 1, 2, 3],
                "hole": [0, 1, 2, 3],
                "perceptual": [1, 2, 3],
                "style": [2, 3],
                "tv": [2, 3],
            },
        ),
    ],
)
def test_incremental_supervision_applies_more_terms_to_finer_outputs(refinements, expected):
    objective = Objective()
    assert {term: objective.supervised_outputs(term, refinements + 1) for term in TERMS} == expected


@pytest.mark.parametrize("indexing", ["intended", "release"])
@pytest.mark.parametrize("outputs", [1, 2, 3, 4])
def test_without_incremental_supervision_all_terms_supervise_the_last_output(outputs, indexing):
    objective = Objective(incremental_supervision=False, style_indexing=indexing)
    assert [objective.supervised_outputs(term, outputs) for term in TERMS] == [[outputs - 1]] * 5


@pytest.mark.parametrize(("outputs", "source"), [(1, 0), (2, 1), (3, 1)])
def test_release_indexing_differs_for_two_refinements_only(outputs, source):
    intended, release = Objective(), Objective(style_indexing="release")
    assert release.supervised_outputs("style", outputs) == [source]
    assert release.supervised_outputs("tv", outputs) == intended.supervised_outputs("tv", outputs)


def test_release_indexing_is_refused_for_more_than_two_refinements():
    with pytest.raises(UserError, match=r"refinements <= 2.*'intended'"):
        Objective(style_indexing="release").supervised_outputs("style", 4)


def test_the_total_is_the_weighted_sum_in_closed_form(case):
    outputs, image, mask = case
    weights = {"valid": 1.5, "hole": 6.0, "perceptual": 0.25, "style": 12.0, "tv": 0.5}
    total, sums = total_loss(Objective(**weights), outputs[:3], image, mask, features)
    composites = [np.where(mask == 1, image, output) for output in outputs]
    known = mask.astype(np.float32)
    target = features(image)

    def compared(term, index):
        pair = outputs[index], composites[index]
        return sum(term(features(image), target) for image in pair)

    expected = {
        "valid": sum(terms.valid(outputs[i], image, known) for i in range(3)),
        "hole": sum(terms.hole(outputs[i], image, known) for i in range(3)),
        "perceptual": compared(terms.perceptual, 1) + compared(terms.perceptual, 2),
        "style": compared(terms.style, 2),
        "tv": terms.total_variation(composites[2]),
    }
    assert sums.keys() == expected.keys()
    for term, value in expected.items():
        np.testing.assert_allclose(sums[term], value, rtol=1e-5, err_msg=term)
    weighted = sum(weights[term] * value for term, value in expected.items())
    np.testing.assert_allclose(total, weighted, rtol=1e-5)


@pytest.mark.parametrize(
    ("indexing", "reached"), [("intended", [False, False, True]), ("release", [False, True, False])]
)
def test_which_output_gets_the_style_gradient(case, indexing, reached):
    outputs, image, mask = case
    objective = Objective(**{**OFF, "style": 1.0}, style_indexing=indexing)
    gradients = jax.grad(lambda o: total_loss(objective, o, image, mask, features)[0])(outputs[:3])
    assert [bool(np.any(gradient)) for gradient in gradients] == reached


def test_release_indexing_takes_the_style_of_output_1(case):
    outputs, image, mask = case
    objective = Objective(**{**OFF, "style": 2.0}, style_indexing="release")
    total, sums = total_loss(objective, outputs[:3], image, mask, features)
    known = mask.astype(np.float32)
    expected = feature_terms(outputs[1], image, known, features, features(image))["style"]
    np.testing.assert_allclose(sums["style"], expected, rtol=1e-6)
    np.testing.assert_allclose(total, 2 * expected, rtol=1e-6)


def test_feature_samples_are_the_first_and_their_mean_is_the_whole(case):
    outputs, image, mask = case
    weights = {**OFF, "perceptual": 1.0, "style": 1.0}
    seen = []

    def spy(image):
        seen.append(len(image))
        return features(image)

    def total(objective, order):
        arguments = [output[order] for output in outputs[:1]], image[order], mask[order]
        return float(total_loss(objective, *arguments, spy)[0])

    whole = total(Objective(**weights), [0, 1])
    assert seen == [2, 4]
    one = Objective(**weights, feature_samples=1)
    first, second = total(one, [0, 1]), total(one, [1, 0])
    assert seen[2:4] == [1, 2]
    alone = total(Objective(**weights), [0])
    assert first == pytest.approx(alone, rel=1e-5)
    assert first != pytest.approx(second, rel=1e-3)
    assert (first + second) / 2 == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("samples", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_rematerialized_features_take_one_sample_at_a_time_and_change_nothing(case, samples):
    outputs, image, mask = case
    seen = []

    def spy(image):
        seen.append(len(image))
        return features(image)

    def both(remat):
        objective = Objective(feature_samples=samples)

        def loss(outputs):
            return total_loss(objective, outputs, image, mask, spy, remat=remat)

        return jax.value_and_grad(loss, has_aux=True)(outputs[:3])

    expected = both(remat=False)
    seen.clear()
    for value, same in zip(*map(jax.tree.leaves, (both(remat=True), expected)), strict=True):
        np.testing.assert_allclose(value, same, rtol=1e-5, atol=1e-7)
    assert max(seen) == 2  # an output and its composite


def test_terms_of_weight_zero_are_left_out_and_vgg_is_not_called(case):
    outputs, image, mask = case
    objective = Objective(perceptual=0, style=0, tv=0)

    def never(image):
        raise AssertionError("VGG was called")

    assert not objective.needs_vgg
    total, sums = total_loss(objective, outputs, image, mask, never)
    assert sums.keys() == {"valid", "hole"}
    assert total_loss(objective, outputs, image, mask, None)[0] == total


def test_outputs_without_feature_terms_do_not_go_through_vgg(case):
    outputs, image, mask = case
    seen = []

    def spy(image):
        seen.append(image)
        return features(image)

    total_loss(Objective(), outputs[:3], image, mask, spy)
    assert len(seen) == 1 + 2


@pytest.mark.parametrize("weight", ["perceptual", "style"])
def test_a_term_that_needs_vgg_is_refused_without_it(case, weight):
    outputs, image, mask = case
    objective = Objective(**{**OFF, weight: 1.0})
    assert objective.needs_vgg
    with pytest.raises(ValueError, match="without VGG features"):
        total_loss(objective, outputs, image, mask, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hole": -1.0}, r"objective\.hole is -1\.0; use 0 or more"),
        ({"style": float("nan")}, r"objective\.style is nan"),
        ({"feature_samples": -2}, r"objective\.feature_samples is -2"),
        ({"style_indexing": "odd"}, r"objective\.style_indexing is 'odd'; use 'intended' or"),
    ],
)
def test_values_out_of_range_name_their_key(changes, message):
    with pytest.raises(UserError, match=message):
        Objective(**changes)
