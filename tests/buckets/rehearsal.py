"""All that a pod does, on one machine: two hosts with addresses of their own, a bucket on a third.

Trains in two processes, kills one, resumes, evaluates in two processes, converts the result. Needs
Linux, root and the command `ip`.

python -m tests.buckets.rehearsal
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.buckets.programs import BUCKET, RUN, STEPS, Program, job, start_emulator

_BRIDGE, _HOSTS = "madf-br", ("madf-h0", "madf-h1")
_NETWORK = "10.213.77"  # the bucket is .1, the hosts follow
_PORT, _COORDINATOR = 9023, 8476
# Gloo, by which JAX's processes on CPUs talk, takes the address that a host's own name has.
_WITH_NAME = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"')
_FILES = Path("/etc/netns")  # what `ip netns exec` shows in place of those in /etc


def main():
    """Prints a line for each promise that was kept; any other ends with an error."""
    if os.geteuid():
        sys.exit("rehearsal: needs root, to make network namespaces")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="madf-rehearsal-")))
        stack.enter_context(_network())
        emulator, environment = start_emulator(f"{_NETWORK}.1", _PORT, folder / "bucket.log")
        stack.callback(emulator.kill)
        _rehearse(_Pod(folder, environment, stack))


class _Pod:
    """Starts a program on both hosts; what is left running is ended with the rehearsal."""

    def __init__(self, folder, environment, stack):
        self.folder, self._environment, self._stack = folder, environment, stack
        self._port, self._started = _COORDINATOR, 0

    def start(self, *command):
        """One process on each host, which find each other."""
        self._port += 1  # the one before may not be free yet
        place = f"{_NETWORK}.2:{self._port}"
        return [self.start_on(host, *command, *job(place, i)) for i, host in enumerate(_HOSTS)]

    def start_on(self, host, *command):
        """A program on one host."""
        self._started += 1
        log = self.folder / f"{self._started}.log"
        within = ("ip", "netns", "exec", host, *_WITH_NAME, host)
        program = Program(command, log, self._environment, within)
        self._stack.callback(program.kill)
        return program


def _rehearse(pod):
    begin = time.monotonic()
    workdir, undisturbed = (f"gs://{BUCKET}/runs/{name}" for name in ("killed", "undisturbed"))

    def kept(promise):
        print(f"kept: {promise} ({time.monotonic() - begin:.0f} s)", flush=True)

    first, second = pod.start("train.py", *RUN, f"--workdir={workdir}")
    first.await_text(r"Saved checkpoint \d+")
    second.kill()
    status = first.process.wait()
    assert status != 0, first.text[-3000:]
    kept(f"one of two hosts was lost; the other one ended with status {status}")

    pair = pod.start("train.py", *RUN, f"--workdir={workdir}")
    texts = [program.require_end() for program in pair]
    assert all("Resuming from step" in text for text in texts)
    kept(f"both went on from a checkpoint in the bucket, to step {STEPS}")

    for program in pod.start("train.py", *RUN, f"--workdir={undisturbed}"):
        program.require_end()
    ends = []
    for name, source in (("killed", workdir), ("undisturbed", undisturbed)):
        target = pod.folder / f"{name}.npz"
        pod.start_on(_HOSTS[0], "-m", "madf_jax", "convert", source, target).require_end()
        with np.load(target) as content:
            ends.append(dict(content))
    assert ends[0].keys() == ends[1].keys()
    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[0])
    kept(f"it ended bit-identical to a run that nobody disturbed: {len(ends[0])} arrays")

    texts = [program.require_end() for program in pod.start("eval.py", f"--workdir={workdir}")]
    assert ["held-out images" in text for text in texts] == [True, False]
    kept("two hosts shared an evaluation; the report is in the bucket")

    weights = pod.folder / "weights.safetensors"
    command = ("-m", "madf_jax", "convert", "--ema", "--half", workdir, weights)
    pod.start_on(_HOSTS[1], *command).require_end()
    assert weights.stat().st_size > 0
    kept("the other host converted the result to a file to paint with")


@contextlib.contextmanager
def _network():
    """A bridge with two hosts in network namespaces of their own."""
    with contextlib.ExitStack() as stack:
        _make(stack, ["link", "add", _BRIDGE, "type", "bridge"], ["link", "del", _BRIDGE])
        _ip("addr", "add", f"{_NETWORK}.1/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        for number, host in enumerate(_HOSTS):
            _make(stack, ["netns", "add", host], ["netns", "del", host])
            hosts = _FILES / host / "hosts"
            hosts.parent.mkdir(parents=True)
            stack.callback(shutil.rmtree, hosts.parent)
            hosts.write_text(f"127.0.0.1 localhost\n{_NETWORK}.{2 + number} {host}\n")
            outside = f"madf-v{number}"
            _ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", host)
            _ip("link", "set", outside, "master", _BRIDGE, "up")
            _ip("-n", host, "addr", "add", f"{_NETWORK}.{2 + number}/24", "dev", "eth0")
            _ip("-n", host, "link", "set", "eth0", "up")
            _ip("-n", host, "link", "set", "lo", "up")
        yield


def _make(stack, command, undo):
    _ip(*command)
    stack.callback(_ip, *undo)


def _ip(*arguments):
    try:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        sys.exit("rehearsal: needs the command ip (iproute2)")
    except subprocess.CalledProcessError as error:
        sys.exit(f"rehearsal: ip {' '.join(arguments)}: {error.stderr.strip()}")


if __name__ == "__main__":
    main()
