"""Comparison with the PyTorch reference, recorded and live."""
