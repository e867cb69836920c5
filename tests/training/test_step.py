"""The training step on one and on four devices, by both ways of mapping it."""

import functools

import jax
import numpy as np
import optax
import pytest

from madf_jax.errors import UserError
from madf_jax.features.vgg import VGG16
from madf_jax.objective.supervision import TERMS, Objective
from madf_jax.state.train_state import AXIS, TrainState
from madf_jax.training.parallel import data_mesh, parallelize, replicated
from madf_jax.training.step import train_step
from tests.trees import assert_identical

RATE = 0.05
WITHOUT_VGG = Objective(perceptual=0, style=0)


@pytest.fixture(scope="module")
def make_state(make_network, make_variables):
    """The state before the first step, on so many devices."""

    def make(devices, tx, **changes):
        variables = make_variables(make_network(refinements=1))
        state = TrainState.create(variables, tx, keep_ema=False)
        changes = {"ema": jax.tree.map(lambda x: x + 1, variables["params"]), **changes}
        return jax.device_put(state.replace(**changes), replicated(data_mesh(devices)))

    return make


@pytest.fixture(scope="module")
def batch(make_batch):
    image, mask = make_batch(count=8)
    return {"image": image, "mask": mask}


@pytest.fixture(scope="module")
def compiled(make_network):
    """Mapped steps of plain gradient descent, by mapping, devices and batch statistics."""

    @functools.cache
    def compile_step(parallel, count, batch_norm):
        axis = AXIS if batch_norm == "synchronized" else None
        step = functools.partial(
            train_step,
            network=make_network(refinements=1, axis_name=axis),
            objective=WITHOUT_VGG,
            tx=optax.sgd(RATE),
            vgg=VGG16(),
            ema_decay=0.5,
        )
        return parallelize(step, data_mesh(jax.devices()[:count]), parallel)

    return lambda parallel, count, batch_norm="synchronized": compile_step(
        parallel, count, batch_norm
    )


@pytest.fixture(scope="module")
def stepped(compiled, make_state, batch):
    """State and metrics after two steps on the same global batch: the second sees the first's."""

    @functools.cache
    def run(parallel, count, batch_norm="synchronized"):
        mapped = compiled(parallel, count, batch_norm)
        state = make_state(jax.devices()[:count], optax.sgd(RATE))
        for _ in range(2):
            state, metrics = mapped.step(state, mapped.to_devices(batch), None)
        return state, jax.device_get(metrics)

    return run


def largest_difference(one, other):
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return max(float(np.max(np.abs(np.asarray(a) - np.asarray(b)))) for a, b in leaves)


@pytest.mark.slow
def test_four_devices_equal_one_with_synchronized_statistics(stepped, make_state):
    (one, one_metrics), (four, four_metrics) = stepped("shard_map", 1), stepped("shard_map", 4)
    begin = make_state(jax.devices()[:1], optax.sgd(RATE))
    assert largest_difference(one.params, begin.params) > 1e-3
    assert largest_difference(one.params, four.params) < 1e-6
    assert largest_difference(one.batch_stats, four.batch_stats) < 1e-5
    for name, value in one_metrics.items():
        np.testing.assert_allclose(four_metrics[name], value, rtol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4])
def test_pmap_and_shard_map_are_bit_identical(stepped, count):
    (one, one_metrics), (other, other_metrics) = stepped("shard_map", count), stepped("pmap", count)
    assert_identical(one, other)
    assert_identical(one_metrics, other_metrics)


@pytest.mark.slow
def test_per_device_statistics_are_another_choice(stepped):
    synchronized, _ = stepped("shard_map", 4)
    per_device, _ = stepped("shard_map", 4, "per_device")
    assert largest_difference(synchronized.params, per_device.params) > 1e-4
    assert largest_difference(synchronized.batch_stats, per_device.batch_stats) > 1e-4


@pytest.mark.parametrize(
    "batch_norm", ["synchronized", pytest.param("per_device", marks=pytest.mark.slow)]
)
def test_every_device_ends_with_the_same_state(stepped, batch_norm):
    state, _ = stepped("shard_map", 4, batch_norm)
    for leaf in jax.tree.leaves(state):
        copies = {np.asarray(shard.data).tobytes() for shard in leaf.addressable_shards}
        assert (len(leaf.addressable_shards), len(copies)) == (4, 1)


def test_steps_and_batches_are_counted(stepped):
    state, _ = stepped("shard_map", 4)
    assert state.step == 2
    counts = [
        leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(state.batch_stats)
        if path[-1].key == "count"
    ]
    assert counts
    assert {(int(leaf), leaf.dtype.name) for leaf in counts} == {(7 + 2, "int32")}


@pytest.mark.parametrize("parallel", ["shard_map", pytest.param("pmap", marks=pytest.mark.slow)])
def test_the_state_is_donated(compiled, make_state, batch, parallel):
    mapped = compiled(parallel, 4)
    # From the compiled step itself, whose results lie where it wants them.
    state, _ = mapped.step(
        make_state(jax.devices(), optax.sgd(RATE)), mapped.to_devices(batch), None
    )
    mapped.step(state, mapped.to_devices(batch), None)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))


@pytest.mark.slow
@pytest.mark.parametrize(("steps_taken", "decay"), [(0, 0.1), (1000, 0.5)])
def test_the_average_forgets_its_start_soon(compiled, make_state, batch, steps_taken, decay):
    """Its decay is the smaller of `ema_decay` and (1 + steps taken) / (10 + steps taken)."""
    mapped = compiled("shard_map", 1)
    tx, taken = optax.sgd(RATE), np.asarray(steps_taken, np.int32)
    before = jax.device_get(make_state(jax.devices()[:1], tx).ema)
    state, _ = mapped.step(
        make_state(jax.devices()[:1], tx, step=taken), mapped.to_devices(batch), None
    )
    expected = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, before, state.params)
    assert largest_difference(state.ema, expected) < 1e-6


def test_metrics_are_the_loss_its_terms_and_the_gradients_norm(stepped):
    _, metrics = stepped("shard_map", 4)
    terms = {term for term in TERMS if WITHOUT_VGG.weight(term)}
    assert metrics.keys() == {"loss", "grad_norm", "skipped_in_row", *terms}
    assert {(value.dtype.name, value.shape) for value in metrics.values()} == {("float32", ())}
    weighted = sum(WITHOUT_VGG.weight(term) * metrics[term] for term in terms)
    np.testing.assert_allclose(metrics["loss"], weighted, rtol=1e-5)


@pytest.mark.slow
def test_the_gradients_norm_is_that_of_the_step_taken(compiled, make_state, batch):
    mapped = compiled("shard_map", 1)
    before = jax.device_get(make_state(jax.devices()[:1], optax.sgd(RATE)).params)
    state, metrics = mapped.step(
        make_state(jax.devices()[:1], optax.sgd(RATE)), mapped.to_devices(batch), None
    )
    moved = jax.tree.map(lambda old, new: (old - new) / RATE, before, state.params)
    norm = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(moved)))
    np.testing.assert_allclose(norm, metrics["grad_norm"], rtol=1e-3)


@pytest.mark.slow
def test_vggs_weights_are_an_argument_of_the_program(make_network, make_state, make_batch):
    """As constants they would be a part of the program, and other weights would recompile it."""
    traced = []

    def counted(*arguments, **options):
        traced.append(arguments)
        return train_step(*arguments, **options)

    tx = optax.sgd(RATE)
    mapped = parallelize(
        functools.partial(
            counted,
            network=make_network(refinements=0, axis_name=AXIS),
            objective=Objective(),
            tx=tx,
            vgg=VGG16(),
            ema_decay=0.0,
        ),
        data_mesh(jax.devices()[:1]),
        "shard_map",
    )
    image, mask = make_batch(count=1)
    generator = np.random.default_rng(0)
    shapes = jax.eval_shape(VGG16().init, jax.random.key(0), np.zeros((1, 8, 8, 3)))
    vgg = jax.tree.map(lambda x: generator.normal(0, 0.05, x.shape).astype(np.float32), shapes)
    losses = []
    for scale in (1, 2):
        network_state = make_state(jax.devices()[:1], tx)
        network_state = network_state.replace(
            params={k: v for k, v in network_state.params.items() if "refinement" not in k},
            batch_stats={
                k: v for k, v in network_state.batch_stats.items() if "refinement" not in k
            },
            ema=None,
        )
        scaled = jax.tree.map(lambda x, by=scale: by * x, vgg)
        arguments = network_state, mapped.to_devices({"image": image, "mask": mask}), scaled
        if scale == 1:
            assert len(mapped.step.lower(*arguments).as_text()) < 1_000_000
        losses.append(float(mapped.step(*arguments)[1]["loss"]))
    assert losses[0] != losses[1]
    assert len(traced) == 1


def test_an_unknown_way_of_mapping_is_refused():
    with pytest.raises(UserError, match=r"training\.parallel is 'vmap'; use 'shard_map' or 'pmap'"):
        parallelize(train_step, data_mesh(), "vmap")


def test_pmap_is_refused_with_several_processes(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(UserError, match=r"training\.parallel='pmap'.*use 'shard_map'"):
        parallelize(train_step, data_mesh(), "pmap")


def test_the_mesh_has_the_devices_given_or_all():
    assert data_mesh().devices.tolist() == jax.devices()
    some = jax.devices()[1:3]
    assert data_mesh(some).devices.tolist() == some


@pytest.fixture(scope="module")
def accumulated(make_network, make_state, batch):
    """State and metrics after two steps of plain gradient descent, on one device in parts."""

    def run(parts, batch=batch):
        step = functools.partial(
            train_step,
            network=make_network(refinements=1, axis_name=None),
            objective=WITHOUT_VGG,
            tx=optax.sgd(RATE),
            vgg=VGG16(),
            ema_decay=0.5,
            accumulate=parts,
        )
        devices = jax.devices()[:1]
        mapped = parallelize(step, data_mesh(devices), "shard_map")
        state = make_state(devices, optax.sgd(RATE))
        for _ in range(2):
            state, metrics = mapped.step(state, mapped.to_devices(batch), None)
        return state, jax.device_get(metrics)

    return run


@pytest.mark.slow
def test_four_micro_batches_equal_four_devices_with_statistics_of_their_own(accumulated, stepped):
    """Both see the same images in the same parts."""
    (one, metrics), (four, four_metrics) = accumulated(4), stepped("shard_map", 4, "per_device")
    assert largest_difference(one.params, four.params) < 1e-6
    assert largest_difference(one.batch_stats, four.batch_stats) < 1e-5
    for name, value in four_metrics.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-5, err_msg=name)


@pytest.mark.slow
def test_equal_micro_batches_equal_the_full_batch(accumulated, batch):
    """Where all parts have the same statistics, nothing differs."""
    again = {name: np.concatenate([array[:2]] * 4) for name, array in batch.items()}
    (parts, metrics), (whole, whole_metrics) = (accumulated(count, again) for count in (4, 1))
    assert largest_difference(parts.params, whole.params) < 1e-6
    for name, value in whole_metrics.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-5, err_msg=name)
    counts = [x for x in jax.tree.leaves(parts.batch_stats) if x.dtype == np.int32]
    assert {int(count) for count in counts} == {7 + 2}


def test_a_step_that_is_not_finite_counts_and_changes_nothing_else(compiled, make_state, batch):
    mapped = compiled("shard_map", 4)
    tx = optax.sgd(RATE)
    broken = jax.tree.map(lambda x: x * np.float32(np.inf), make_state(jax.devices(), tx).params)
    before = jax.device_get(make_state(jax.devices(), tx, params=broken))
    state = make_state(jax.devices(), tx, params=broken)
    for count in (1, 2):
        state, metrics = mapped.step(state, mapped.to_devices(batch), None)
        assert metrics["skipped_in_row"] == count
    assert (int(state.step), int(state.skipped), int(state.skipped_in_row)) == (2, 2, 2)
    for name in ("params", "batch_stats", "opt_state", "ema"):
        assert_identical(getattr(state, name), getattr(before, name))
    state = jax.device_put(state, replicated(data_mesh())).replace(
        params=make_state(jax.devices(), tx).params
    )
    state, metrics = mapped.step(state, mapped.to_devices(batch), None)
    assert (int(state.skipped), metrics["skipped_in_row"]) == (2, 0)
