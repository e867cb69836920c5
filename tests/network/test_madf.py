"""The whole network: its interface, what it must not read, and that every parameter matters."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from madf_jax.network import MADF, normalize

# Each module with parameters at depth 3 and one refinement decoder: a published interface.
MODULES = """
encoder/level_1/filters bias kernel
encoder/level_1/mask_conv bias kernel
encoder/level_1/skip bias kernel
encoder/level_2/filters bias kernel
encoder/level_2/mask_conv bias kernel
encoder/level_2/skip bias kernel
encoder/level_3/filters bias kernel
encoder/level_3/mask_conv bias kernel
encoder/level_3/skip bias kernel
recovery_decoder/level_1/fuse bias kernel
recovery_decoder/level_1/up bias kernel
recovery_decoder/level_2/fuse bias kernel
recovery_decoder/level_2/norm bias scale
recovery_decoder/level_2/up bias kernel
recovery_decoder/level_3/fuse bias kernel
recovery_decoder/level_3/norm bias scale
recovery_decoder/level_3/up bias kernel
refinement_decoder_0/level_2/norm/bias bias kernel
refinement_decoder_0/level_2/norm/scale bias kernel
refinement_decoder_0/level_2/norm/shared bias kernel
refinement_decoder_0/level_2/up bias kernel
refinement_decoder_0/level_3/norm/bias bias kernel
refinement_decoder_0/level_3/norm/scale bias kernel
refinement_decoder_0/level_3/norm/shared bias kernel
refinement_decoder_0/level_3/up bias kernel
refinement_decoder_0/output bias kernel
"""
STATISTICS = """
recovery_decoder/level_2/norm count mean var
recovery_decoder/level_3/norm count mean var
refinement_decoder_0/level_2/norm/batch_norm count mean var
refinement_decoder_0/level_3/norm/batch_norm count mean var
"""


def leaf_names(listing):
    rows = [line.split() for line in listing.split("\n") if line]
    return {f"{module}/{leaf}" for module, *leaves in rows for leaf in leaves}


def by_name(tree):
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def shapes(network, height=None, width=None):
    """Shapes of the variables and the outputs; nothing is computed."""
    height = height or 2**network.depth
    shape = (2, height, width or height)
    return jax.eval_shape(
        lambda: network.init_with_output(
            jax.random.key(0), jnp.zeros((*shape, 3)), jnp.ones((*shape, 1)), train=True
        )
    )


@pytest.mark.parametrize(
    ("refinements", "count"), [(0, 40_741_817), (1, 62_940_887), (2, 85_139_966)]
)
def test_parameter_counts_are_the_references_without_its_1248_unused(refinements, count):
    _, variables = shapes(MADF(refinements=refinements))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == count


def test_the_tree_of_names_is_a_published_interface(make_network):
    _, variables = shapes(make_network(refinements=1))
    assert set(by_name(variables["params"])) == leaf_names(MODULES)
    assert set(by_name(variables["batch_stats"])) == leaf_names(STATISTICS)


@pytest.mark.parametrize(
    ("depth", "refinements"),
    [(3, 0), (3, 1), (3, 2), (3, 3), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1)],
)
def test_every_depth_and_number_of_decoders_builds(make_network, depth, refinements):
    network = make_network(depth=depth, refinements=refinements)
    outputs, variables = shapes(network, width=2 ** (depth + 1))
    assert [output.shape for output in outputs] == [(2, 2**depth, 2 ** (depth + 1), 3)] * (
        refinements + 1
    )
    assert f"level_{depth}" in variables["params"]["encoder"]


@pytest.mark.parametrize(
    ("changes", "image", "mask", "message"),
    [
        ({}, (1, 20, 24, 3), (1, 20, 24, 1), "20x24.*depth 3.*multiples of 8.*to 16x24"),
        ({}, (1, 8, 4, 3), (1, 8, 4, 1), "8x4.*to 8x8"),
        ({"depth": 5}, (1, 32, 50, 3), (1, 32, 50, 1), "multiples of 32.*to 32x64"),
        ({}, (8, 8, 3), (8, 8, 1), r"\(8, 8, 3\); give \(N, H, W, 3\)"),
        ({}, (1, 8, 8, 4), (1, 8, 8, 1), r"\(1, 8, 8, 4\); give \(N, H, W, 3\)"),
        ({}, (1, 8, 8, 3), (1, 8, 8, 3), r"mask has shape \(1, 8, 8, 3\); give \(1, 8, 8, 1\)"),
        ({}, (2, 8, 8, 3), (1, 8, 8, 1), r"mask has shape \(1, 8, 8, 1\); give \(2, 8, 8, 1\)"),
        ({"depth": 2}, (1, 8, 8, 3), (1, 8, 8, 1), "depth is 2.*at least 3"),
        ({"refinements": -1}, (1, 8, 8, 3), (1, 8, 8, 1), "refinements -1.*at least 0"),
    ],
)
def test_wrong_shapes_are_refused_with_the_shape_and_a_fix(
    make_network, changes, image, mask, message
):
    network = make_network(**changes)
    with pytest.raises(ValueError, match=message):
        network.init(jax.random.key(0), jnp.zeros(image), jnp.zeros(mask), train=False)


@pytest.fixture(scope="module")
def case(make_network, make_variables, make_batch):
    """A network with two refinement decoders, its variables, an image and a mask."""
    network = make_network()
    image, mask = make_batch()
    return network, make_variables(network), np.asarray(normalize(image)), mask


@pytest.fixture(scope="module")
def infer(case):
    network, variables, _, _ = case
    return jax.jit(lambda image, mask: network.apply(variables, image, mask, train=False))


def test_the_gradient_of_pixels_under_the_hole_is_exactly_zero(case):
    network, variables, image, mask = case

    @jax.jit
    @jax.grad
    def gradient(image):
        outputs = network.apply(variables, image, mask, train=False)
        return sum(jnp.sum(output**2) for output in outputs)

    gradients, known = np.asarray(gradient(image)), np.broadcast_to(mask == 1, image.shape)
    assert np.all(gradients[~known] == 0)
    assert np.mean(gradients[known] != 0) > 0.9


@pytest.mark.parametrize("garbage", [np.nan, np.inf, 1e6])
def test_pixels_under_the_hole_change_nothing(case, infer, garbage):
    _, _, image, mask = case
    clean = infer(image, mask)
    dirty = infer(np.where(mask == 1, image, np.float32(garbage)), mask)
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)


def test_outputs_do_not_depend_on_the_dtype_of_the_mask(case, infer):
    _, _, image, mask = case
    expected = infer(image, mask)
    found = infer(image, mask.astype(np.float32))
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_both_forms_of_filtering_give_the_same_outputs(case, infer, make_network):
    _, variables, image, mask = case
    patches = make_network(filtering="patches")
    found = jax.jit(functools.partial(patches.apply, train=False))(variables, image, mask)
    for one, other in zip(found, infer(image, mask), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def gradient_norms(case, *, train):
    """Norms of the gradients of a random projection of all outputs, in float64."""
    network, variables, image, mask = case
    # Batch norm computes in the dtype of storage.
    network = network.clone(param_dtype=np.float64)
    generator = np.random.default_rng(3)
    with jax.enable_x64(True):
        double = jax.tree.map(
            lambda x: x.astype(np.float64) if x.dtype == np.float32 else x, variables
        )
        count = network.refinements + 1
        projections = [generator.standard_normal(image.shape) for _ in range(count)]

        @jax.jit
        @jax.grad
        def gradient(params):
            outputs, _ = network.apply(
                {**double, "params": params},
                image.astype(np.float64),
                mask,
                train=train,
                mutable=["batch_stats"],
            )
            return sum(jnp.sum(p * o) for p, o in zip(projections, outputs, strict=True))

        norms = jax.tree.map(lambda g: float(np.linalg.norm(g)), gradient(double["params"]))
    return by_name(norms)


def test_every_parameter_changes_an_output(case):
    norms = gradient_norms(case, train=False)
    assert not {name for name, norm in norms.items() if norm < 1e-6}


@pytest.mark.slow
def test_in_training_only_biases_before_a_batch_norm_have_no_gradient(
    case, make_network, make_variables
):
    """Batch norm subtracts the batch's mean, and with it such a bias."""
    network = make_network(refinements=1)
    norms = gradient_norms((network, make_variables(network), *case[2:]), train=True)
    dead = {name for name, norm in norms.items() if norm < 1e-10}
    assert dead == {
        f"{decoder}/level_{level}/up/bias"
        for decoder in ("recovery_decoder", "refinement_decoder_0")
        for level in (2, 3)
    }


def test_bfloat16_keeps_parameters_in_float32_and_outputs_close(case, infer, make_network):
    _, variables, image, mask = case
    low = make_network(dtype=jnp.bfloat16)
    outputs, updates = jax.jit(
        lambda: low.apply(variables, image, mask, train=False, mutable=["batch_stats"])
    )()
    _, fresh = shapes(low)
    stored = {leaf.dtype for leaf in jax.tree.leaves(fresh) if leaf.shape}
    assert stored == {np.dtype(np.float32)}
    assert {leaf.dtype for leaf in jax.tree.leaves(updates) if leaf.ndim} == stored
    for found, exact in zip(outputs, infer(image, mask), strict=True):
        assert found.dtype == jnp.bfloat16
        error = np.linalg.norm(np.asarray(found, np.float32) - exact) / np.linalg.norm(exact)
        assert error < 0.05


@pytest.mark.slow
def test_a_fresh_network_has_outputs_of_order_one_and_learns(make_batch):
    network = MADF(
        depth=4,
        widths=(4, 8, 16, 32),
        skip_widths=(16, 32, 64, 128),
        mask_width=4,
        norm_hidden=32,
    )
    image, mask = make_batch(count=2, size=32)
    image, tx = normalize(image), optax.sgd(1e-2)

    @jax.jit
    def begin(key):
        variables = network.init(key, image, mask, train=True)
        return variables, tx.init(variables["params"])

    @jax.jit
    def step(variables, opt_state):
        def loss(params):
            outputs, updates = network.apply(
                {**variables, "params": params}, image, mask, train=True, mutable=["batch_stats"]
            )
            spreads = jnp.stack([output.std() for output in outputs])
            return sum(jnp.abs(o - image).mean() for o in outputs), (updates, spreads)

        (value, (updates, spreads)), grads = jax.value_and_grad(loss, has_aux=True)(
            variables["params"]
        )
        change, opt_state = tx.update(grads, opt_state)
        params = optax.apply_updates(variables["params"], change)
        return {"params": params, **updates}, opt_state, value, spreads

    variables, opt_state = begin(jax.random.key(0, impl="rbg"))  # compiles sooner
    history = []
    for _ in range(20):
        variables, opt_state, value, spreads = step(variables, opt_state)
        history.append((float(value), np.asarray(spreads)))
    assert np.all((history[0][1] > 0.2) & (history[0][1] < 5))
    assert np.all(np.isfinite([value for value, _ in history]))
    assert history[-1][0] < history[0][0]


@pytest.fixture(scope="module")
def gradients(make_network, make_variables, make_batch):
    """The compiled gradient, its argument, and how many parts of it are rematerialized."""
    image, mask = make_batch()
    image = normalize(image)

    @functools.cache
    def differentiate(remat):
        network = make_network(refinements=1, remat=remat)
        variables = make_variables(network)

        def loss(params):
            outputs, updates = network.apply(
                {**variables, "params": params}, image, mask, train=True, mutable=["batch_stats"]
            )
            return sum(jnp.abs(output).mean() for output in outputs), updates

        gradient = jax.grad(loss, has_aux=True)
        program = jax.make_jaxpr(gradient)(variables["params"])
        rematerialized = [
            equation for equation in program.jaxpr.eqns if equation.primitive.name == "remat2"
        ]
        return jax.jit(gradient), variables["params"], len(rematerialized)

    return differentiate


@pytest.mark.slow
def test_rematerialization_does_not_change_gradients(gradients):
    (gradient, params, _), (plain_gradient, _, _) = gradients("everything"), gradients("none")
    for found, expected in zip(
        jax.tree.leaves(gradient(params)), jax.tree.leaves(plain_gradient(params)), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_rematerialization_covers_the_named_levels(gradients):
    """At depth 3 with one refinement: 3 + 2 levels of decoders and 3 of the encoder."""
    counts = {remat: gradients(remat)[2] for remat in ("none", "decoders", "everything")}
    assert counts == {"none": 0, "decoders": 5, "everything": 8}


def test_unknown_rematerialization_is_refused(make_network):
    with pytest.raises(ValueError, match=r"network\.remat is 'all'; use 'none', 'decoders' or"):
        make_network(remat="all").init(
            jax.random.key(0), np.zeros((1, 8, 8, 3)), np.ones((1, 8, 8, 1)), train=True
        )
