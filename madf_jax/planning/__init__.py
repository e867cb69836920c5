"""What training needs of an accelerator that is not at hand, by compiling its real step.

Importing `environment` does not load JAX: it must be used before JAX starts.
"""
