import contextlib
import shutil
import threading
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

from madf_jax.checkpoints import manager
from madf_jax.checkpoints.manager import Checkpoints
from madf_jax.checkpoints.reading import read_checkpoint
from madf_jax.errors import UserError
from madf_jax.state.train_state import TrainState
from tests.trees import assert_identical

DEVICE = jax.sharding.SingleDeviceSharding(jax.devices()[0])
NOTES = {"data": {"seed": 3, "images": "some"}}


def make_state(step, side=48, **more):
    """A state of arrays that do not compress, so that they lie in files of their own."""
    generator = np.random.default_rng(step)
    params = {"a": {"kernel": generator.standard_normal((side, side)).astype(np.float32)}, **more}
    statistics = {
        "count": np.asarray(5 * step, np.int32),
        "mean": np.full(3, 0.25 * step, np.float32),
    }
    variables = {"params": params, "batch_stats": statistics}
    state = TrainState.create(variables, optax.adam(1e-3), keep_ema=False)
    ema, number = jax.tree.map(lambda x: 0.5 * x, params), np.asarray(step, np.int32)
    return jax.device_put(state.replace(step=number, skipped=number, ema=ema), DEVICE)


def abstract(state, sharding=DEVICE):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), state)


def save(workdir, steps, scores=None, **options):
    with Checkpoints(workdir, **options) as checkpoints:
        for step in steps:
            score = (scores or {}).get(step)
            checkpoints.save(make_state(step), NOTES, None if score is None else {"psnr": score})


def restore(workdir, like=None, **options):
    with Checkpoints(workdir, **options) as checkpoints:
        return checkpoints.restore(abstract(like or make_state(0)))


def kept(workdir):
    names = (path.name for path in (workdir / "checkpoints").iterdir())
    return sorted(int(name) for name in names if name.isdecimal())


def test_what_is_saved_comes_back_bit_by_bit(tmp_path):
    save(tmp_path, [7])
    restored = restore(tmp_path)
    assert (restored.step, restored.notes) == (7, NOTES)
    assert_identical(restored.state, make_state(7))


def test_a_state_of_four_devices_comes_back_on_one(tmp_path):
    mesh = jax.make_mesh((4,), ("data",))
    replicated = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(jax.device_put(make_state(7), replicated), NOTES)
    restored = restore(tmp_path)
    assert_identical(restored.state, make_state(7))
    assert {leaf.sharding for leaf in jax.tree.leaves(restored.state)} == {DEVICE}


def test_nothing_there_is_none_and_reading_makes_no_directory(tmp_path):
    assert restore(tmp_path, read_only=True) is None
    assert list(tmp_path.iterdir()) == []
    assert restore(tmp_path) is None


def test_the_last_ones_and_the_best_are_kept_also_after_reopening(tmp_path):
    save(tmp_path, [1, 2, 3], {1: 20.0, 2: 30.0, 3: 25.0}, keep_last=1)
    assert kept(tmp_path) == [2, 3]
    save(tmp_path, [4, 5], {5: 29.0}, keep_last=2)
    assert kept(tmp_path) == [2, 4, 5]
    assert restore(tmp_path).step == 5


def test_a_step_that_is_there_is_left_alone(tmp_path):
    save(tmp_path, [3])
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(make_state(3), {"data": {}})
    assert restore(tmp_path).notes == NOTES


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"side": 32}, r"params/a/kernel: float32\[48,48\] there, float32\[32,32\] by the config"),
        ({"b": np.zeros(2, np.float32)}, r"params/b: absent there, float32\[2\] by the config"),
        ({"side": 32, "b": np.zeros(2, np.float32)}, "; and 3 more"),
    ],
)
def test_another_config_is_refused_with_names_and_nothing_is_deleted(tmp_path, changes, message):
    save(tmp_path, [1, 2], keep_last=2)
    with pytest.raises(UserError, match=message) as info:
        restore(tmp_path, make_state(0, **changes), keep_last=2)
    assert "was written by another config" in str(info.value)
    assert kept(tmp_path) == [1, 2]


def largest_file(directory):
    return max(
        (path for path in directory.rglob("*") if path.is_file()), key=lambda p: p.stat().st_size
    )


def flip_bits(step: Path):
    path = largest_file(step / "state")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def truncate(step: Path):
    path = largest_file(step / "state")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero_fill(step: Path):
    path = largest_file(step / "state")
    path.write_bytes(bytes(path.stat().st_size))


def lose_the_facts(step: Path):
    shutil.rmtree(step / "facts")


def break_the_facts(step: Path):
    largest_file(step / "facts").write_text('{"notes": ')


DAMAGES = [flip_bits, truncate, zero_fill, lose_the_facts, break_the_facts]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_read(tmp_path, damage):
    save(tmp_path, [1, 2, 3], keep_last=3)
    damage(tmp_path / "checkpoints" / "3")
    restored = restore(tmp_path, keep_last=3)
    assert restored.step == 2
    assert_identical(restored.state, make_state(2))
    assert kept(tmp_path) == [1, 2]
    assert (tmp_path / "checkpoints" / "damaged-3").is_dir()
    save(tmp_path, [3], keep_last=3)
    assert restore(tmp_path, keep_last=3).step == 3


def test_what_cannot_be_read_now_is_not_taken_for_damage(tmp_path, monkeypatch):
    save(tmp_path, [1, 2], keep_last=2)

    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Checkpoints, "_restore", broken)
    with pytest.raises(UserError, match=r"checkpoints/2 can't be read: .*Nothing was changed"):
        restore(tmp_path, keep_last=2)
    assert kept(tmp_path) == [1, 2]


@pytest.mark.parametrize("damage", DAMAGES)
def test_read_only_leaves_a_damaged_one_where_it_is(tmp_path, damage):
    save(tmp_path, [1, 2], keep_last=2)
    damage(tmp_path / "checkpoints" / "2")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert restore(tmp_path, read_only=True).step == 1
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_all_damaged_is_told_with_the_way_out(tmp_path):
    save(tmp_path, [1, 2], keep_last=2)
    for step in "12":
        flip_bits(tmp_path / "checkpoints" / step)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(UserError, match=r"all of its 2 checkpoints are damaged.*another --workdir"):
        restore(tmp_path, read_only=True)
    # The fault may lie elsewhere, in what reads them.
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_truncated_write_of_an_earlier_process_is_passed_over(tmp_path):
    """A killed process leaves a directory under a temporary name."""
    save(tmp_path, [1])
    checkpoints = tmp_path / "checkpoints"
    shutil.copytree(checkpoints / "1", checkpoints / "2.orbax-checkpoint-tmp-3")
    assert restore(tmp_path).step == 1


NAMES = [
    "a[1]",
    "[!a]",
    "a]",
    "a\\b",
    "a*",
    "a?",
    "a{1}",
    "a b",
    "a'b",
    'a"b',
    "ä-日本",
    "a\nb",
    "~",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_directory_of_any_name_holds_checkpoints(tmp_path, name):
    workdir = tmp_path / name / "run"
    save(workdir, [1, 2])
    assert kept(workdir) == [2]
    assert_identical(restore(workdir).state, make_state(2))
    assert read_checkpoint(workdir / "checkpoints" / "2").step == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_does_not_read_back_is_not_saved_and_the_one_before_stays(tmp_path, monkeypatch):
    """Orbax by itself saves nothing below such a name, and reports success."""
    workdir = tmp_path / "a[1]"
    save(workdir, [1])
    monkeypatch.setattr(manager, "plain_path", contextlib.nullcontext)
    with pytest.raises(
        UserError, match=r"can't be written: .*last intact one is step 1.*start again"
    ):
        save(workdir, [2])
    assert kept(workdir) == [1]
    monkeypatch.undo()
    assert restore(workdir).step == 1
    save(workdir, [2])
    assert kept(workdir) == [2]


def test_a_failure_to_read_back_is_reported_by_the_next_check(tmp_path, monkeypatch):
    failed = threading.Event()

    def fail(*_):
        failed.set()
        raise ValueError("params/a reads back differently")

    save(tmp_path, [1])
    monkeypatch.setattr(manager, "verify", fail)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(make_state(2), NOTES)
        assert failed.wait(60)
        with pytest.raises(UserError, match="params/a reads back differently"):
            while True:
                checkpoints.check()
    assert kept(tmp_path) == [1]


def test_a_saved_checkpoint_is_logged_once_it_is_whole(tmp_path, log_lines):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(make_state(1), NOTES)
        checkpoints.save(make_state(2), NOTES)
    lines = [line for line in log_lines if "Saved checkpoint" in line]
    assert [line.split(" (")[0] for line in lines] == ["Saved checkpoint 1", "Saved checkpoint 2"]


def test_what_cannot_be_listed_is_not_taken_for_an_empty_directory(tmp_path):
    (tmp_path / "checkpoints").write_text("")
    with pytest.raises(UserError, match="checkpoints: Not a directory"):
        manager.saved_steps(tmp_path)
