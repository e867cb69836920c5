"""Traces of the profiler."""

import glob

import jax.numpy as jnp

from madf_jax.training.profile import Profile


def test_a_trace_of_the_steps_is_written(tmp_path, log_lines):
    profile = Profile((2, 3), tmp_path)
    for step in range(1, 5):
        profile.before(step)
        profile.after(step, jnp.ones(3) * step)
        found = glob.glob(f"{tmp_path}/plugins/profile/*/*.xplane.pb")
        assert len(found) == (step >= 3)
    assert log_lines == [f"The trace of steps 2 to 3 is in {tmp_path}/plugins/profile"]
    profile.close()


def test_a_trace_that_is_cut_short_is_written_too(tmp_path):
    profile = Profile((1, 100), tmp_path)
    profile.before(1)
    profile.close()
    assert glob.glob(f"{tmp_path}/plugins/profile/*/*.xplane.pb")


def test_no_steps_no_trace(tmp_path):
    profile = Profile((), tmp_path)
    profile.before(1)
    profile.after(1, None)
    profile.close()
    assert not list(tmp_path.iterdir())
