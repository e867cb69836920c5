"""Comparison with the PyTorch reference: with recorded numbers, or run side by side."""
