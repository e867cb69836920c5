import pytest

from madf_jax.benchmark.measure import Measurement, alternate, slope


def measurements(times):
    return [Measurement("network", size, 1, "float32", seconds) for size, seconds in times.items()]


@pytest.mark.parametrize("power", [0.5, 1.0, 1.3])
def test_the_slope_is_the_power_of_the_number_of_pixels(power):
    assert slope(measurements({size: 3e-6 * size ** (2 * power) for size in (64, 128, 512)})) == (
        pytest.approx(power)
    )


def test_two_sizes_have_no_slope():
    assert slope(measurements({64: 1.0, 128: 4.0})) is None


def test_runs_alternate_and_the_first_round_is_not_timed(monkeypatch):
    calls = []
    ticks = {"a": iter([100, 3, 1, 2]), "b": iter([900, 7, 9, 8])}
    now = 0

    def run(name):
        nonlocal now
        calls.append(name)
        now += next(ticks[name])

    monkeypatch.setattr("madf_jax.benchmark.measure.time.perf_counter", lambda: now)
    medians = alternate({name: lambda name=name: run(name) for name in "ab"}, repeats=3)
    assert medians == {"a": 2, "b": 8}
    assert "".join(calls) == "abababab"
