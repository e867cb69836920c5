"""Speed and memory of this package, compared with the machine and the PyTorch reference."""
