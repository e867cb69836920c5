"""Which process holds a lock, so that a later one of the same machine knows whether it lives."""

import os
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_OWN_PIDS = Path("/proc/self/ns/pid")
_STATE, _START = 0, 19  # fields of /proc/PID/stat after the name; see proc(5)
_DEAD = "ZX"


def identify() -> str:
    """This process, as no other one is called on any machine; "" if the system does not say."""
    try:
        return f"{_machine()} {os.getpid()} {_start(os.getpid())}"
    except (OSError, LookupError):
        return ""


def is_alive(identity: str) -> bool | None:
    """Whether a process still runs.

    Args:
        identity: what `identify` returned in it.

    Returns:
        None if that can't be known here, as of a process of another machine or container.
    """
    try:
        machine, pid, start = identity.split()
        if machine != _machine():
            return None
        return _start(int(pid)) == start
    except (OSError, ValueError, LookupError, OverflowError):
        return None


def _machine() -> str:
    # Containers of one machine have the same boot, but count their processes each for itself.
    return f"{_BOOT.read_text().strip()}:{_OWN_PIDS.stat().st_ino}"


def _start(pid: int) -> str:
    """When a process was started: a later one of its number has another time; "" if it ended."""
    try:
        os.kill(pid, 0)  # /proc may hide the processes of others
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return "" if fields[_STATE] in _DEAD else fields[_START]
