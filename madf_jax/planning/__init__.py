"""What a run will need on machines that are not here, by compiling its real training step.

Importing `environment` loads no JAX: it must be used before JAX starts.
"""
