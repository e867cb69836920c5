"""A report of speed and memory on a GPU, written row by row within a few minutes."""
