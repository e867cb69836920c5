"""Reading only what paints from a checkpoint."""

import jax
import numpy as np
import pytest

from madf_jax.checkpoints.manager import Checkpoints
from madf_jax.checkpoints.variables import read_variables
from madf_jax.errors import UserError
from madf_jax.state.train_state import TrainState
from tests.trees import assert_identical

SIDE = 48


def make_state(step, *, average):
    """Every array differs from every other, and none compresses, so its bytes lie in a file."""
    generator = np.random.default_rng(step)

    def noise():
        words = generator.integers(0, 2**32, (SIDE, SIDE), dtype=np.uint32)
        return {"kernel": words.view(np.int32)}

    return jax.device_put(
        TrainState(
            step=np.asarray(step, np.int32),
            params=noise(),
            batch_stats={"mean": np.full(3, step, np.float32)},
            opt_state=noise(),
            ema=noise() if average else None,
            skipped=np.zeros((), np.int32),
            skipped_in_row=np.zeros((), np.int32),
        ),
        jax.devices()[0],
    )


def save(workdir, *states):
    with Checkpoints(workdir, keep_last=len(states)) as checkpoints:
        for state in states:
            checkpoints.save(state, {})
    return [workdir / "checkpoints" / str(state.step) for state in states]


def abstract(state):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state.inference_variables)


@pytest.mark.parametrize("average", [False, True])
def test_the_variables_of_a_checkpoint_are_those_of_its_state(tmp_path, average):
    state = make_state(7, average=average)
    (path,) = save(tmp_path, state)
    restored = read_variables(path, abstract(state))
    assert (restored.step, restored.averaged) == (7, average)
    assert_identical(restored.variables, jax.device_get(state.inference_variables))


def flip_a_bit(path, array):
    """In the file that holds an array, where its bytes lie."""
    content = np.asarray(array).tobytes()[:64]
    for file in path.rglob("*"):
        if file.is_file() and (place := file.read_bytes().find(content)) >= 0:
            data = bytearray(file.read_bytes())
            data[place + 5] ^= 1
            file.write_bytes(data)
            return
    raise AssertionError("the array lies in no file as it is")


def test_damage_counts_only_where_it_is_read(tmp_path):
    state = make_state(7, average=True)
    (path,) = save(tmp_path, state)
    flip_a_bit(path, state.opt_state["kernel"])
    flip_a_bit(path, state.params["kernel"])
    assert_identical(
        read_variables(path, abstract(state)).variables, jax.device_get(state.inference_variables)
    )
    flip_a_bit(path, state.ema["kernel"])
    with pytest.raises(ValueError, match="bytes are not those that were saved"):
        read_variables(path, abstract(state))


def test_the_newest_whole_one_is_found(tmp_path):
    states = [make_state(step, average=True) for step in (1, 2, 3)]
    paths = save(tmp_path, *states)
    flip_a_bit(paths[2], states[2].ema["kernel"])
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.steps == [1, 2, 3]
        restored = checkpoints.newest(
            lambda step: read_variables(checkpoints.path(step), abstract(states[0]))
        )
    assert restored.step == 2
    assert_identical(restored.variables, jax.device_get(states[1].inference_variables))


def test_another_network_is_refused_by_its_arrays(tmp_path):
    state = make_state(1, average=True)
    (path,) = save(tmp_path, state)
    other = state.replace(ema={"kernel": np.zeros((2, 2), np.float32)})
    with pytest.raises(
        UserError, match=r"ema/kernel: int32\[48,48\] there, float32\[2,2\] by the config"
    ):
        read_variables(path, abstract(other))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(5, "Input/output error"), r"checkpoints/1: can't be read: .*Input/output error"),
        (FileNotFoundError(2, "No such file"), r"checkpoints/1: is damaged: .*No such file"),
        (ValueError("bad bytes"), r"checkpoints/1: is damaged: bad bytes"),
    ],
)
def test_a_checkpoint_that_was_named_is_not_replaced_by_another(tmp_path, error, message):
    save(tmp_path, *(make_state(step, average=False) for step in (1, 2)))

    def read(step):
        raise error

    with (
        Checkpoints(tmp_path, read_only=True) as checkpoints,
        pytest.raises(UserError, match=message),
    ):
        checkpoints.at(1, read)
