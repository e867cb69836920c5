"""Reading a checkpoint back, by parts, right after it was written."""

import numpy as np
import orbax.checkpoint as ocp
import pytest

from madf_jax.checkpoints import reading
from madf_jax.checkpoints.integrity import describe, digest

STATE = {
    name: np.random.default_rng(i).standard_normal((5, 3)).astype(np.float32)
    for i, name in enumerate("abc")
}
FACTS = {"notes": {"data": [1, 2]}, "arrays": describe(STATE), "digest": digest(STATE)}


def write(path, state, facts):
    saver = ocp.Checkpointer(ocp.CompositeCheckpointHandler())
    args = {"state": ocp.args.PyTreeSave(state), "facts": ocp.args.JsonSave(facts)}
    saver.save(path, args=ocp.args.Composite(**args))


@pytest.mark.parametrize("part", [1, 100, 10**9])
def test_what_was_written_is_verified(tmp_path, monkeypatch, part):
    monkeypatch.setattr(reading, "_PART", part)
    write(tmp_path / "1", STATE, FACTS)
    reading.verify(tmp_path / "1", FACTS)


@pytest.mark.parametrize("part", [1, 100, 10**9])
@pytest.mark.parametrize("name", "abc")
def test_one_changed_element_is_noticed_by_name(tmp_path, monkeypatch, part, name):
    monkeypatch.setattr(reading, "_PART", part)
    changed = {**STATE, name: STATE[name] + np.eye(5, 3, dtype=np.float32)}
    write(tmp_path / "1", changed, FACTS)
    with pytest.raises(ValueError, match=f"{name} reads back differently"):
        reading.verify(tmp_path / "1", FACTS)


def test_another_set_of_arrays_is_noticed(tmp_path):
    write(tmp_path / "1", {"a": STATE["a"]}, FACTS)
    with pytest.raises(ValueError, match="list of arrays"):
        reading.verify(tmp_path / "1", FACTS)


def test_other_facts_are_noticed(tmp_path):
    write(tmp_path / "1", STATE, {**FACTS, "notes": {}})
    with pytest.raises(ValueError, match="facts"):
        reading.verify(tmp_path / "1", FACTS)
