"""Orbax checkpoints of a run, and whether their bytes are those that were saved."""
