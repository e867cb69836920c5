"""Memory of this process."""

import ctypes


def return_freed() -> None:
    """Gives back to the system what this process has freed, where the C library would keep it.

    Compiling a training step frees 0.7 GB, and making its state 0.3 GB.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)
